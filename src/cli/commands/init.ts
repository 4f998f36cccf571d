import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { generateKeyPair } from '../../active/link.ts';
import { loadConfig } from '../../config/load.ts';
import { type Exit, Failure } from '../../core/failure.ts';
import { printable } from '../../core/path.ts';
import { openDatabase } from '../../state/database.ts';
import { SeatStore } from '../../state/seat.ts';
import type { Io } from '../io.ts';

/** Asks for what the options do not say, where there is a terminal. Throws Failure `not-told` where there is none. */
export async function askAndInit(
  options: { readonly config: string; readonly node?: string; readonly role?: 'active' | 'passive' },
  io: Io,
): Promise<Exit> {
  const { config } = options;
  if ((options.node === undefined || options.role === undefined) && !io.interactive) {
    throw new Failure({
      code: 'not-told',
      exit: 'usage',
      message: 'expected --node and --role, or a terminal to ask on, found neither',
      hint: 'for example: bm-confsync init --node mail1 --role active',
    });
  }
  const { ask } = await import('../ask.ts');
  const known = knownHere(config);
  const node =
    options.node ??
    (await ask('Name of this node', {
      preset: known.node ?? hostname().split('.')[0] ?? '',
      reject: (answer) => (isNodeName(answer) ? undefined : nodeNameForm),
    }));
  const role =
    options.role ??
    (await ask('Does it serve mail now (active), or does it wait (passive)', {
      preset: known.role ?? 'passive',
      reject: (answer) => (answer === 'active' || answer === 'passive' ? undefined : 'active or passive'),
    }));
  return init({ config, node, role: role === 'active' ? 'active' : 'passive' }, io);
}

/** What an earlier run wrote down. */
function knownHere(file: string): { readonly node?: string; readonly role?: string } {
  if (!existsSync(file)) return {};
  const { node, state } = loadConfig(file);
  if (!existsSync(state)) return { node };
  using database = openDatabase(state);
  const role = new SeatStore(database).read()?.role;
  return role === undefined ? { node } : { node, role };
}

const nodeNameForm = 'at most 63 letters, digits, dots, dashes and underscores';

function isNodeName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text);
}

export type InitOptions = {
  readonly config: string;
  readonly node: string;
  readonly role: 'active' | 'passive';
};

/** Epoch of a fresh active node. A fresh passive has seen none. */
const firstEpoch = 1;

/** Writes what is missing and keeps what is there. */
export async function init(options: InitOptions, io: Io): Promise<Exit> {
  if (!isNodeName(options.node)) {
    throw new Failure({
      code: 'bad-node-name',
      exit: 'usage',
      message: `expected a node name of ${nodeNameForm}, found ${JSON.stringify(options.node)}`,
      hint: 'the host name without its domain is a good choice',
    });
  }
  const folder = dirname(options.config);
  if (!existsSync(folder)) mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (existsSync(options.config)) io.out(`kept     ${printable(options.config)}\n`);
  else {
    writeFileSync(options.config, template(options.node, folder), { mode: 0o600, flag: 'wx' });
    io.out(`wrote    ${printable(options.config)}\n`);
  }
  const config = loadConfig(options.config);
  if (config.node !== options.node) {
    throw new Failure({
      code: 'other-node',
      exit: 'usage',
      message: `expected node: ${options.node} in ${options.config}, found ${config.node}`,
      hint: `use --node ${config.node}, or change the file`,
    });
  }
  const identityFiles = new Set([
    ...config.peers.map(({ identityFile }) => identityFile),
    ...(config.peers.length === 0 ? [join(folder, 'id_ed25519')] : []),
  ]);
  for (const file of identityFiles) makeKey(file, options.node, io);
  makeSeat(config.state, options.role, io);
  const unpinned = config.peers.some(({ hostKey }) => hostKey === undefined);
  if (config.peers.length === 0 || unpinned) sayNext(options, [...identityFiles], io);
  return 'done';
}

/** Two nodes know each other by two lines; this says which, ready to be copied. */
function sayNext(options: InitOptions, identityFiles: readonly string[], io: Io): void {
  io.out('\nnext, with root on the other node and bm-confsync installed there, on one of the two:\n');
  io.out('    bm-confsync pair root@OTHER-NODE\n\nor by hand, so that this node may send to a peer:\n');
  io.out("  in the peer's /root/.ssh/authorized_keys, one line:\n");
  for (const file of identityFiles.map((identity) => `${identity}.pub`)) {
    const publicKey = existsSync(file) ? readFileSync(file, 'utf8').trim() : `(the key in ${file})`;
    io.out(`    restrict,command="bm-confsync receive" ${printable(publicKey)}\n`);
  }
  io.out(
    `  in ${printable(options.config)}, under peers: its name, its host, and as hostKey the first two words of its\n    /etc/ssh/ssh_host_ed25519_key.pub\n`,
  );
}

function makeKey(file: string, node: string, io: Io): void {
  if (existsSync(file)) {
    io.out(`kept     ${printable(file)}\n`);
    if (existsSync(`${file}.pub`)) return;
    return io.out(`missing  ${printable(file)}.pub: make it with ssh-keygen -y -f ${printable(file)}\n`);
  }
  const { privateKey, publicKey } = generateKeyPair(`bm-confsync@${node}`);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, privateKey, { mode: 0o600, flag: 'wx' });
  writeFileSync(`${file}.pub`, `${publicKey}\n`, { mode: 0o644 });
  io.out(`made     ${printable(file)} and ${printable(file)}.pub\n`);
}

function makeSeat(state: string, role: 'active' | 'passive', io: Io): void {
  using database = openDatabase(state);
  chmodSync(state, 0o700);
  const seats = new SeatStore(database);
  const seat = seats.read();
  if (seat !== undefined) {
    const asked = seat.role === role ? '' : `; --role ${role} is for a node without a seat`;
    return io.out(`kept     the seat: ${seat.role}, epoch ${seat.epoch}${asked}\n`);
  }
  const epoch = role === 'active' ? firstEpoch : 0;
  seats.write({ role, epoch });
  io.out(`made     the seat: ${role}, epoch ${epoch}, in ${printable(state)}\n`);
}

function template(node: string, folder: string): string {
  return `# bm-confsync: replicates configuration from the active to the passive node.
# Every key is explained here; unknown keys are errors. Check with: bm-confsync watchlist list

# Name of this node. Each node of the pair has its own.
node: ${node}

# Prefix of every replicated path. Another value is for tests and restores.
root: /

# What the program remembers: ledger, versions, conflicts. 0700.
state: /var/lib/bm-confsync

# The control socket of the daemon.
runtime: /run/bm-confsync

# The other nodes. hostKey pins the peer: the first two words of its
# /etc/ssh/ssh_host_ed25519_key.pub. On the peer, our public key goes to
# /root/.ssh/authorized_keys as:
#   restrict,command="bm-confsync receive" ssh-ed25519 AAAA...
peers: []
# - name: mail2
#   host: 192.0.2.12
#   port: 22
#   user: root
#   identityFile: ${join(folder, 'id_ed25519')}
#   hostKey: ssh-ed25519 AAAA...

# Names of shipped watchlists, or absolute paths of files of your own.
watchlists: [bluemind]

# Who decides which node is active: manual (a person), vip (with address:
# the node that holds it), pacemaker (its agent).
role: { source: manual }

# What happens when both nodes changed a path: hold (leave both and ask),
# active-wins, newest-wins. Whoever loses is kept as a version.
conflict: hold

limits:
  # Larger files are reported and not sent.
  maxFileSize: 64MiB
  # The passive refuses to write below this much free space.
  minFreeDisk: 64MiB
  # More deletions than both of these halt replication until a person resumes it.
  massDeletion: { paths: 20, percent: 10 }

# Minutes between two full comparisons with the peer.
reconcileMinutes: 5
`;
}
