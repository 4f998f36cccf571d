import { lookup } from 'node:dns/promises';
import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { keyFingerprint } from '../../active/link.ts';
import { type Exit, Failure } from '../../core/failure.ts';
import { printable } from '../../core/path.ts';
import { agrees } from '../ask.ts';
import { thisMachine } from '../doctor/surroundings.ts';
import type { Io } from '../io.ts';
import { checkTarget, type Destination, destinationOf, FarHalf } from '../pair/far-half.ts';
import type { Half, Looked, NodeShown } from '../pair/message.ts';
import { lookAtOwn, prove, takeIn } from '../pair/own-half.ts';

export type PairOptions = {
  readonly config: string;
  readonly target: string;
  /** Name of the peer where it has no configuration yet. Default: its host's. */
  readonly name?: string;
  /** Where this node reaches the peer, and the peer this node. Default: as ssh does, and as the peer sees ssh come. */
  readonly host?: string;
  readonly selfHost?: string;
  /** Further addresses that this node comes from. */
  readonly from: readonly string[];
  readonly peerCommand: string;
  readonly peerConfig: string;
  /** What the configurations say otherwise about the other node gives way. */
  readonly replace: boolean;
  readonly yes: boolean;
};

/** A node that has everything that pairing needs. */
type Ready = Looked & { readonly name: string; readonly publicKey: string };

/**
 * Makes two nodes known to each other over the administrator's own ssh, each with the other's host key pinned and the other's
 * key let in for one command, and proves it in both directions. May be run again. Throws Failures.
 */
export async function pair(options: PairOptions, io: Io): Promise<Exit> {
  checkTarget(options.target);
  if (!options.yes && !io.interactive) throw cannotAsk();
  if (!existsSync(options.config)) throw notInitialised(options.config);
  const own = ready(await lookAtOwn(options.config), 'this node');
  const destination = destinationOf(
    options.target,
    await thisMachine().run('ssh', ['-G', '--', options.target]),
  );
  using far = new FarHalf({
    target: options.target,
    command: options.peerCommand,
    config: options.peerConfig,
  });
  const found = await far.look();
  const name = found.name ?? options.name ?? found.machine;
  const places = placesOf(options, destination, found);
  checkFit(own, found, name);
  io.out(planOf(own, found, { name, ...places }));
  if (!options.yes && !(await agrees(`Pair ${own.name} and ${printable(name)}`))) {
    io.out('nothing was changed\n');
    return 'refused';
  }
  const there = ready(found.name === undefined ? await far.make(name) : found, options.target);
  const { host, selfHost } = places;
  const ownShown = await shown(own, selfHost, own.sshPort, [
    ...options.from,
    ...addresses(found.connection?.client, destination),
  ]);
  const port = destination.jumps ? there.sshPort : destination.port;
  const farShown = await shown(there, host, port, addresses(found.connection?.server, destination));
  const farHalf = await far.edit({ ask: 'pair', peer: ownShown, replace: options.replace });
  io.out(halfOf(there.name, farHalf, found));
  const half = await takeIn(options.config, farShown, options.replace);
  io.out(halfOf(own.name, half, own));
  await proveBoth({ options, own, there, far }, io);
  io.out(nextOf(there.role === 'active' ? there.name : own.name, [half, farHalf]));
  return 'done';
}

async function proveBoth(
  { options, own, there, far }: { options: PairOptions; own: Ready; there: Ready; far: FarHalf },
  io: Io,
): Promise<void> {
  const forth = await orUnproven(prove(options.config, there.name), `${own.name} to ${there.name}`);
  io.out(`proven   a session from ${own.name} to ${there.name}, ${Math.round(forth)} ms\n`);
  const back = await orUnproven(far.prove(own.name), `${there.name} to ${own.name}`);
  io.out(`proven   a session from ${there.name} to ${own.name}, ${Math.round(back)} ms\n`);
  if (own.watchlists !== there.watchlists)
    io.out(`warning  the watchlists differ: compare \`bm-confsync watchlist list\` on both nodes\n`);
}

/** What is left to be done, where the nodes did not know each other before. */
function nextOf(active: string, halves: readonly Half[]): string {
  const changed = halves.some(({ config, authorizedKeys }) => [config, authorizedKeys].includes('changed'));
  if (!changed) return '\nnothing had to be changed\n';
  return [
    '',
    `next, on ${printable(active)}, the first copy: bm-confsync resync --dry-run`,
    '                              bm-confsync resync --yes',
    'then, on both nodes: systemctl enable --now bm-confsync && bm-confsync doctor',
    '',
  ].join('\n');
}

async function orUnproven(proof: Promise<number>, way: string): Promise<number> {
  try {
    return await proof;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { code, exit, message } = error;
    throw new Failure({
      code,
      exit,
      message: `the nodes know each other now, but expected a session from ${way}, found: ${message}`,
      hint: `${error.hint}; then pair again, which keeps what is right. \`bm-confsync doctor\` looks at the rest`,
      cause: error,
    });
  }
}

function addresses(seen: string | undefined, { jumps }: Destination): string[] {
  return seen === undefined || jumps ? [] : [seen];
}

async function shown(node: Ready, host: string, port: number, seen: readonly string[]): Promise<NodeShown> {
  const { name, user, hostKey, publicKey } = node;
  const known = isIP(host) === 0 ? await lookup(host, { all: true }).catch(() => []) : [{ address: host }];
  const from = [...new Set([...seen, ...known.map(({ address }) => address)])];
  if (from.length === 0) throw noAddress(name, host);
  return { name, host, port, user, hostKey, publicKey, from };
}

function placesOf(
  options: PairOptions,
  destination: Destination,
  found: Looked,
): { readonly host: string; readonly selfHost: string } {
  const { jumps } = destination;
  const host = options.host ?? (jumps ? undefined : destination.host);
  const selfHost = options.selfHost ?? (jumps ? undefined : found.connection?.client);
  if (host !== undefined && selfHost !== undefined) return { host, selfHost };
  throw new Failure({
    code: 'unknown-place',
    exit: 'usage',
    message: `expected to see where the nodes reach each other, found ${jumps ? 'a machine in between, that your ssh jumps over' : 'that ssh does not tell'}`,
    hint: 'say so with --host (the peer, seen from here) and --self-host (this node, seen from the peer)',
  });
}

/** Throws Failures for what cannot be a pair. */
function checkFit(own: Ready, found: Looked, name: string): void {
  if (own.hostKey === found.hostKey) {
    throw new Failure({
      code: 'same-host-key',
      exit: 'refused',
      message: `expected two machines, found the same host key on both: ${fingerprint(own.hostKey)}`,
      hint: 'pair with the other node; on a clone, make new host keys: rm /etc/ssh/ssh_host_*; ssh-keygen -A; restart sshd',
    });
  }
  if (name === own.name || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) {
    throw new Failure({
      code: 'same-name',
      exit: 'usage',
      message: `expected a name for the peer that is not ${own.name}, found ${printable(name)}`,
      hint: 'name a peer that has no configuration with --name; otherwise set `node` in its configuration',
    });
  }
  if (own.role === 'active' && found.role === 'active') {
    throw new Failure({
      code: 'two-actives',
      exit: 'refused',
      message: `expected one active node, found that ${own.name} and ${name} both are`,
      hint: 'run `bm-confsync demote` on the one that is to be passive',
    });
  }
}

function planOf(own: Ready, found: Looked, peer: { name: string; host: string; selfHost: string }): string {
  const { name, host, selfHost } = peer;
  const state =
    found.name === undefined ? 'not set up yet: it becomes a passive node' : `${found.role ?? 'no seat'}`;
  const version = found.version === own.version ? found.version : `${found.version}, here ${own.version}`;
  const lines = [
    `${name.padEnd(8)} ${state}; bm-confsync ${version}`,
    `         host key ${fingerprint(found.hostKey)}`,
    `         ${own.name} will reach it at ${host}`,
    `${own.name.padEnd(8)} ${own.role ?? 'no seat'}; host key ${fingerprint(own.hostKey)}`,
    `         ${name} will reach it at ${selfHost}`,
  ];
  return `${lines.map(printable).join('\n')}\n`;
}

function halfOf(name: string, half: Half, before: Looked): string {
  const line = (what: string, file: string): string => `${what.padEnd(8)} ${printable(file)} on ${name}\n`;
  const made = before.name === undefined ? 'made' : half.config;
  const restart =
    half.running && half.config === 'changed'
      ? `restart  the daemon on ${name} knows nothing of it yet: systemctl restart bm-confsync\n`
      : '';
  return line(made, half.configFile) + line(half.authorizedKeys, half.authorizedKeysFile) + restart;
}

function fingerprint(hostKey: string): string {
  return keyFingerprint(Buffer.from(hostKey.split(' ')[1] ?? '', 'base64'));
}

function ready(looked: Looked, where: string): Ready {
  const { name, publicKey } = looked;
  if (name !== undefined && publicKey !== undefined) return { ...looked, name, publicKey };
  throw new Error(`expected ${where} to have a name and a key`);
}

function noAddress(name: string, host: string): Failure {
  return new Failure({
    code: 'no-address',
    exit: 'usage',
    message: `expected an address of ${name}, found none: ${printable(host)} is not known here`,
    hint: 'name the nodes by addresses with --host and --self-host, or put their names in /etc/hosts',
  });
}

function cannotAsk(): Failure {
  return new Failure({
    code: 'cannot-ask',
    exit: 'usage',
    message: 'expected a terminal to show the host key on and to ask whether to pair, found none',
    hint: 'run it on a terminal, or give --yes where your ssh knows the host key already',
  });
}

function notInitialised(config: string): Failure {
  return new Failure({
    code: 'config-missing',
    exit: 'usage',
    message: `expected the configuration of this node in ${config}, found none`,
    hint: 'first: bm-confsync init --node NAME --role active|passive',
  });
}
