import { z } from 'zod';
import type { Entry, Xattrs } from '../core/entry.ts';
import type { PathProblem, Refusal } from '../core/failure.ts';
import { retryOf } from '../core/failure.ts';
import { parseReplicaPath, printable, type ReplicaPath } from '../core/path.ts';

/**
 * The messages of protocol version 1. `id` pairs a request with its answers. The shape of every header
 * from the peer is checked here, before anything uses it.
 */
export const protocolVersion = 1;

const path = z.string().transform((raw, context): ReplicaPath => {
  const parsed = parseReplicaPath(raw);
  if (parsed.ok) return parsed.path;
  context.addIssue({ code: 'custom', message: `a path that is ${parsed.fault}` });
  return z.NEVER;
});

const id = z.int().nonnegative();
const name = z.string().min(1).max(256);
const mode = z.int().min(0).max(0o7777);

/** XATTR_NAME_MAX of Linux, and more of each than any file system keeps for one inode. */
const xattrLimits = { nameLength: 255, count: 64, valueLength: 128 * 1024, totalLength: 256 * 1024 };

// Not a z.record, which passes over a key named __proto__.
const xattrs = z.custom<Xattrs>((raw) => {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return false;
  const entries: [string, unknown][] = Object.entries(raw);
  let left = xattrLimits.totalLength;
  for (const [key, value] of entries) {
    if (key === '' || key === '__proto__' || key.length > xattrLimits.nameLength || typeof value !== 'string')
      return false;
    if (value.length > xattrLimits.valueLength) return false;
    left -= value.length;
  }
  return entries.length <= xattrLimits.count && left >= 0;
}, 'extended attributes as names and texts');

const maxTargetBytes = 4095;
const target = z
  .string()
  .min(1)
  .refine(
    (text) =>
      !text.includes('\0') && !/\p{Surrogate}/u.test(text) && Buffer.byteLength(text) <= maxTargetBytes,
    'the target of a link as Linux takes it',
  );

const entry: z.ZodType<Entry> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('absent') }),
  z.strictObject({
    kind: z.literal('file'),
    digest: z.string().regex(/^[0-9a-f]{64}$/),
    size: z.int().nonnegative(),
    mode,
    owner: name,
    group: name,
    mtime: z.string().regex(/^-?\d{1,19}\.\d{9}$/),
    xattrs,
  }),
  z.strictObject({ kind: z.literal('directory'), mode, owner: name, group: name, xattrs }),
  z.strictObject({
    kind: z.literal('symlink'),
    target,
    owner: name,
    group: name,
  }),
]);

/** Checks an entry that comes from a file or a database of ours. */
export function parseEntry(raw: unknown): Entry | undefined {
  const parsed = entry.safeParse(raw);
  return parsed.success ? parsed.data : undefined;
}

const reasons = Object.keys(retryOf) as [PathProblem | Refusal];
const reason = z.enum(reasons);
const conflictKind = z.enum(['edited-on-passive', 'edited-on-both', 'first-sync']);

const greeting = {
  protocol: z.int(),
  node: name,
  version: z.string().max(64),
  role: z.enum(['active', 'passive']),
  epoch: z.int().nonnegative(),
  ha: z.enum(['enabled', 'disabled']),
  watchlists: z.string().max(128),
};

const row = z.tuple([path, entry]);

const fromActive = z.discriminatedUnion('t', [
  z.strictObject({ t: z.literal('hello'), purpose: z.enum(['replicate', 'inspect']), ...greeting }),
  /** Content in the body (`inline`), in chunks that follow (`stream`), or to be taken from the file there (`local`). */
  z.strictObject({
    t: z.literal('push'),
    id,
    epoch: z.int().nonnegative(),
    path,
    expect: entry,
    put: entry,
    content: z.enum(['none', 'inline', 'stream', 'local']),
  }),
  z.strictObject({ t: z.literal('chunk'), id, last: z.boolean() }),
  /** The file changed while it was sent: forget the push. */
  z.strictObject({ t: z.literal('abort'), id }),
  z.strictObject({ t: z.literal('manifest'), id, fresh: z.boolean(), mtime: z.boolean() }),
  z.strictObject({
    t: z.literal('directories'),
    id,
    rows: z.array(z.tuple([path, z.string().max(32)])),
    last: z.boolean(),
  }),
  /** All that the manifest showed is agreed, except these paths. */
  z.strictObject({ t: z.literal('agreed'), id, except: z.array(path), last: z.boolean() }),
  z.strictObject({ t: z.literal('look'), id, paths: z.array(path) }),
  z.strictObject({ t: z.literal('fetch'), id, path }),
  z.strictObject({ t: z.literal('ping'), id }),
]);

const fromPassive = z.discriminatedUnion('t', [
  z.strictObject({ t: z.literal('welcome'), ...greeting }),
  z.strictObject({
    t: z.literal('refused'),
    reason,
    detail: z.string().max(4096),
    epoch: z.int().nonnegative(),
  }),
  z.strictObject({
    t: z.literal('ack'),
    id,
    result: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('applied') }),
      z.strictObject({ kind: z.literal('already-there') }),
      z.strictObject({ kind: z.literal('conflict'), conflict: conflictKind, found: entry }),
      z.strictObject({
        kind: z.literal('refused'),
        reason,
        detail: z.string().max(4096),
        epoch: z.int().nonnegative(),
      }),
    ]),
  }),
  z.strictObject({ t: z.literal('manifest'), id, digest: z.string().max(32), paths: z.int().nonnegative() }),
  z.strictObject({
    t: z.literal('entries'),
    id,
    directories: z.array(path),
    rows: z.array(row),
    problems: z.array(z.tuple([z.string().max(16384), reason, z.string().max(4096)])),
    last: z.boolean(),
  }),
  z.strictObject({ t: z.literal('content'), id, found: z.boolean(), last: z.boolean() }),
  z.strictObject({ t: z.literal('done'), id }),
  z.strictObject({ t: z.literal('pong'), id }),
]);

export type FromActive = z.infer<typeof fromActive>;
export type FromPassive = z.infer<typeof fromPassive>;
export type PushMessage = Extract<FromActive, { t: 'push' }>;
export type AckResult = Extract<FromPassive, { t: 'ack' }>['result'];
export type Welcome = Extract<FromPassive, { t: 'welcome' }>;

/** What a refusal repeats of the peer's own words, UTF-16 units at most. */
const shownDetail = 300;

export type Parsed<Message> =
  | { readonly ok: true; readonly message: Message }
  | { readonly ok: false; readonly detail: string };

/** Parses what the active may say. */
export function parseFromActive(header: unknown): Parsed<FromActive> {
  return parsed(fromActive.safeParse(header));
}

/** Parses what the passive may say. */
export function parseFromPassive(header: unknown): Parsed<FromPassive> {
  return parsed(fromPassive.safeParse(header));
}

function parsed<Message>(result: z.ZodSafeParseResult<Message>): Parsed<Message> {
  if (result.success) return { ok: true, message: result.data };
  const issue = result.error.issues[0];
  const detail = `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a message'}`;
  return { ok: false, detail: printable(detail.slice(0, shownDetail)) };
}
