import { BlockList, isIP } from 'node:net';
import { posix } from 'node:path';
import * as z from 'zod';
import { durationForm, parseDuration } from './duration.ts';
import { defaultRuntime, defaultState } from './runtime.ts';
import { parseSize, sizeForm } from './size.ts';

/**
 * The shape of both files. A schema's message says what is expected there; document.ts adds file, line, key
 * and what was found.
 */

/** A mapping that knows all its keys; any other key is a problem. */
function mapping<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const keys = Object.keys(shape).join(', ');
  const error = (issue: { readonly code?: string | undefined }) =>
    issue.code === 'unrecognized_keys' ? `one of the keys ${keys}` : `a mapping with the keys ${keys}`;
  return z.strictObject(shape, { error });
}

function text(expected: string, accepts: (value: string) => boolean) {
  return z.string({ error: expected }).refine(accepts, { error: expected });
}

function number(expected: string, accepts: (value: number) => boolean) {
  return z.number({ error: expected }).refine(accepts, { error: expected });
}

function wholeNumber(min: number, max: number) {
  return number(
    `a whole number from ${min} to ${max}`,
    (value) => Number.isInteger(value) && value >= min && value <= max,
  );
}

function choice<const Values extends readonly [string, ...string[]]>(values: Values) {
  return z.enum(values, { error: `one of ${values.join(', ')}` });
}

function list<Item extends z.ZodType>(expected: string, item: Item) {
  return z.array(item, { error: `a list of ${expected}` });
}

/** Reads a text or number by `parse`. What that cannot read, and anything that is not above zero, is a problem. */
function quantity(expected: string, parse: (raw: string | number) => number | undefined) {
  return z.union([z.string(), z.number()], { error: expected }).transform((raw, context) => {
    const parsed = parse(raw);
    if (parsed !== undefined && parsed > 0) return parsed;
    context.addIssue({ code: 'custom', message: expected });
    return z.NEVER;
  });
}

const size = quantity(sizeForm, parseSize);
const duration = quantity(durationForm, (raw) => (typeof raw === 'string' ? parseDuration(raw) : undefined));

/** Of what is done again and again, which must neither keep the daemon busy nor be longer than a timer can wait. */
function rhythm(longest: '1m' | '1d') {
  const maxMs = parseDuration(longest) ?? 0;
  return duration.pipe(number(`a duration from 100ms to ${longest}`, (ms) => ms >= 100 && ms <= maxMs));
}

const name = text('a name of letters, digits, ".", "_" and "-", at most 63 long', (value) =>
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(value),
);

/** An absolute path of this machine, normalised, without a slash at the end. */
const absolutePath = text(
  'an absolute path',
  (value) => value.startsWith('/') && !value.includes('\0'),
).transform((value) => posix.resolve(value));

const peer = mapping({
  name,
  host: text('a host name or an address', (value) => /^[A-Za-z0-9_.:%[\]][A-Za-z0-9_.:%[\]-]*$/.test(value)),
  port: wholeNumber(1, 65_535).default(22),
  user: text('a user name', (value) => /^[A-Za-z0-9_][A-Za-z0-9._-]{0,62}\$?$/.test(value)).default('root'),
  identityFile: absolutePath.default('/etc/bm-confsync/id_ed25519'),
  hostKey: text('a host key such as "ssh-ed25519 AAAA..."', (value) =>
    /^(ssh|ecdsa|sk)-\S+ \S+( .*)?$/.test(value),
  ).optional(),
});

const role = z.discriminatedUnion(
  'source',
  [
    mapping({ source: z.literal('manual') }),
    mapping({ source: z.literal('pacemaker') }),
    mapping({
      source: z.literal('vip'),
      address: text('an IP address', (value) => isIP(value) !== 0),
      hold: duration.prefault('3s'),
      fenced: z.boolean({ error: 'true or false' }).default(false),
    }),
  ],
  {
    error: (issue) =>
      issue.code === 'invalid_union' ? 'manual, vip or pacemaker' : 'a mapping with the key source',
  },
);

const watchlistName = text(
  'the name of a shipped watchlist, or an absolute path',
  (value) => /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(value) || (value.startsWith('/') && !value.includes('\0')),
);

const policy = choice(['hold', 'active-wins', 'newest-wins']);

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Metrics are for programs of this machine: what goes over the network is for one of them to protect. */
const metrics = mapping({
  port: wholeNumber(1, 65_535).optional(),
  address: text('a loopback address such as 127.0.0.1 or ::1', (value) => {
    return isIP(value) !== 0 && loopback.check(value, isIP(value) === 6 ? 'ipv6' : 'ipv4');
  }).default('127.0.0.1'),
  textfile: absolutePath.optional(),
  // Numbers that are older than two minutes count as those of a dead daemon.
  interval: rhythm('1m').prefault('15s'),
});

const canaryForm = `${durationForm}, or off`;
const canary = mapping({
  interval: z.union([z.literal('off'), rhythm('1d')], { error: canaryForm }).prefault('60s'),
});

/** The configuration file as it is written, with every default filled in. */
export const configSchema = mapping({
  node: name,
  root: absolutePath.default('/'),
  state: absolutePath.default(defaultState),
  runtime: absolutePath.default(defaultRuntime),
  peers: list('peers', peer).default([]),
  watchlists: list('watchlists', watchlistName)
    .refine((names) => names.length > 0, { error: 'at least one watchlist' })
    .refine((names) => new Set(names).size === names.length, { error: 'each watchlist once' })
    .default(['bluemind']),
  role: role.default({ source: 'manual' }),
  conflict: policy.default('hold'),
  limits: mapping({
    maxFileSize: size.prefault('64MiB'),
    minFreeDisk: size.prefault('64MiB'),
    clockSkew: duration.prefault('2s'),
    massDeletion: mapping({
      paths: wholeNumber(0, 1_000_000).default(20),
      percent: number('a percentage from 0 to 100', (value) => value >= 0 && value <= 100).default(10),
    }).prefault({}),
  }).prefault({}),
  reconcileMinutes: number(
    'a number of minutes above 0 and up to 1440',
    (value) => value > 0 && value <= 1440,
  ).default(5),
  settle: mapping({
    deleteHoldMs: wholeNumber(0, 60_000).default(500),
    maxWaitMs: wholeNumber(1, 60_000).default(5000),
  }).prefault({}),
  versions: mapping({
    count: wholeNumber(1, 10_000).default(20),
    days: wholeNumber(1, 36_500).default(90),
    totalSize: size.prefault('1GiB'),
  }).prefault({}),
  metrics: metrics.prefault({}),
  canary: canary.prefault({}),
}).superRefine((config, context) => {
  const seen = new Set([config.node]);
  config.peers.forEach((one, index) => {
    if (seen.has(one.name)) {
      const message = 'a name that neither this node nor another peer has';
      context.addIssue({ code: 'custom', path: ['peers', index, 'name'], message });
    }
    seen.add(one.name);
  });
});

/** Text of a pattern or a path; match.ts checks what is in it. */
const pattern = z.string({ error: 'an absolute path or pattern' });

const command = list('a program and its arguments', z.string({ error: 'a text' })).refine(
  (words) => words.length > 0 && words[0] !== '' && words.every((word) => !word.includes('\0')),
  { error: 'a program and its arguments' },
);

/** A watchlist file as it is written. */
export const watchlistSchema = mapping({
  name,
  include: list('patterns', pattern).default([]),
  exclude: list('patterns', pattern).default([]),
  conflict: policy.optional(),
  policies: list('policies', mapping({ match: pattern, conflict: policy })).default([]),
  groups: list('groups', mapping({ name, files: list('paths', pattern) })).default([]),
  scopes: list('scopes', mapping({ name, match: list('patterns', pattern) })).default([]),
  validate: list(
    'validators',
    mapping({ match: pattern, run: command, timeout: duration.prefault('30s') }),
  ).default([]),
  apply: list('hooks', mapping({ match: pattern, run: command, timeout: duration.prefault('30s') })).default(
    [],
  ),
});
