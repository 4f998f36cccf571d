import { existsSync, readFileSync } from 'node:fs';
import { homedir, hostname, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { publicKeyOf } from '../../active/link.ts';
import { type Config, loadConfig } from '../../config/load.ts';
import { loadWatchlists } from '../../config/watchlist.ts';
import { askDaemon } from '../../control/client.ts';
import { Failure } from '../../core/failure.ts';
import { openLog } from '../../log/log.ts';
import { openDatabase } from '../../state/database.ts';
import { SeatStore } from '../../state/seat.ts';
import { init } from '../commands/init.ts';
import { openConversation } from '../connect.ts';
import { defaultConfig } from '../default-config.ts';
import { keyFiles, parseSettings } from '../doctor/sshd.ts';
import { thisMachine } from '../doctor/surroundings.ts';
import { openNode } from '../node.ts';
import { productVersion, shippedWatchlists } from '../product.ts';
import { editAuthorizedKeys, withLine, withoutLines } from './authorized-line.ts';
import type { Half, Looked, NodeShown } from './message.ts';
import { removePeer, writePeer } from './peers-entry.ts';

/** What pairing does on the node where it runs. Both nodes do the same, each for itself. */

const hostKeyName = 'ssh_host_ed25519_key';
const usualHostKey = `/etc/ssh/${hostKeyName}`;

/** How long the proof waits for the peer, milliseconds. */
const proofMs = 30_000;

/** What sshd says of itself, for the account that this runs as. The usual where it does not say. */
type Sshd = { readonly port: number; readonly hostKeyFile: string; readonly authorizedKeysFile: string };

async function ownSshd(): Promise<Sshd> {
  const { username } = userInfo();
  const connection = `user=${username},host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22`;
  const end = await thisMachine().run('sshd', ['-T', '-C', connection]);
  const settings =
    end.kind === 'ended' && end.code === 0 ? parseSettings(end.stdout) : new Map<string, string[]>();
  const hostKeys = settings.get('hostkey') ?? [];
  const [keys] = keyFiles({ kind: 'settings', settings }, username, homedir());
  return {
    port: Number(settings.get('port')?.[0] ?? 22),
    hostKeyFile: `${hostKeys.find((file) => file.includes('ed25519')) ?? usualHostKey}.pub`,
    authorizedKeysFile: keys ?? join(homedir(), '.ssh', 'authorized_keys'),
  };
}

/** What this node says of itself, with or without a configuration. Throws Failures. */
export async function lookAtOwn(configFile: string): Promise<Looked> {
  const { username, uid } = userInfo();
  if (uid !== 0) throw notRoot(username);
  const sshd = await ownSshd();
  const [client, , server] = process.env['SSH_CONNECTION']?.split(' ') ?? [];
  const machine = {
    machine: hostname().split('.')[0] ?? '',
    version: productVersion,
    user: username,
    sshPort: sshd.port,
    hostKey: hostKeyOf(sshd.hostKeyFile),
    ...(client === undefined || server === undefined ? {} : { connection: { client, server } }),
  };
  if (!existsSync(configFile)) return machine;
  const config = loadConfig(configFile);
  using database = openDatabase(config.state);
  const role = new SeatStore(database).read()?.role;
  return {
    ...machine,
    name: config.node,
    ...(role === undefined ? {} : { role }),
    watchlists: loadWatchlists(config.watchlists, { shippedFolder: shippedWatchlists }).digest,
    publicKey: ownPublicKey(config),
  };
}

/** Makes a passive node of one that has no configuration. Throws Failures. */
export async function makeOwn(configFile: string, node: string): Promise<Looked> {
  const silent = { out: () => undefined, err: () => undefined, colour: false, interactive: false };
  await init({ config: configFile, node, role: 'passive' }, silent);
  return lookAtOwn(configFile);
}

/** Lets a node in, and writes down how to reach it. Throws Failures; then at most one of the two is done. */
export async function takeIn(configFile: string, peer: NodeShown, replace: boolean): Promise<Half> {
  const config = loadConfig(configFile);
  if (config.node === peer.name) throw sameName(peer.name);
  const { name, host, port, user, hostKey, publicKey, from } = peer;
  const { authorizedKeysFile } = await ownSshd();
  const identityFile = identityOf(config);
  const written = writePeer(config, { name, host, port, user, identityFile, hostKey }, replace);
  const command =
    configFile === defaultConfig
      ? 'bm-confsync receive'
      : `bm-confsync receive --config ${shellQuoted(configFile)}`;
  const authorizedKeys = editAuthorizedKeys(authorizedKeysFile, (text) =>
    withLine(text, { publicKey, node: name, command, from }),
  );
  return told(config, written, { authorizedKeys, authorizedKeysFile });
}

/** The reverse of takeIn. Keys and state stay. */
export async function turnOut(configFile: string, peer: string): Promise<Half> {
  const { authorizedKeysFile } = await ownSshd();
  const authorizedKeys = existsSync(authorizedKeysFile)
    ? editAuthorizedKeys(authorizedKeysFile, (text) => withoutLines(text, peer))
    : 'kept';
  const config = loadConfig(configFile);
  return told(config, removePeer(config, peer), { authorizedKeys, authorizedKeysFile });
}

async function told(
  config: Config,
  written: Half['config'],
  keys: Pick<Half, 'authorizedKeys' | 'authorizedKeysFile'>,
): Promise<Half> {
  const asked = await askDaemon({ runtime: config.runtime, command: 'status', args: {}, timeoutMs: 5000 });
  return { config: written, configFile: config.file, ...keys, running: asked.answered };
}

/** Opens a session with the peer as a push would, and answers how long it took to be welcomed, milliseconds. */
export async function prove(configFile: string, name: string): Promise<number> {
  const node = await openNode(configFile, openLog({ format: 'text', level: 'error' }));
  try {
    const peer = node.config.peers.find((one) => one.name === name);
    if (peer === undefined) throw unknownPeer(name, node.config);
    const start = performance.now();
    const { close } = await openConversation(node, peer, 'inspect', proofMs);
    close();
    return performance.now() - start;
  } finally {
    node.database.close();
  }
}

/** Throws Failure `unknown-peer`. */
export function unknownPeer(name: string, { file, peers }: Config): Failure {
  const known = peers.map((peer) => peer.name).join(', ');
  return new Failure({
    code: 'unknown-peer',
    exit: 'usage',
    message: `expected ${name} under peers in ${file}, found ${known === '' ? 'none' : known}`,
    hint: 'run `bm-confsync pair root@HOST` to make it known',
  });
}

/** All peers are reached with one key unless the configuration says otherwise. */
function identityOf(config: Config): string {
  return config.peers[0]?.identityFile ?? join(dirname(config.file), 'id_ed25519');
}

function ownPublicKey(config: Config): string {
  const file = identityOf(config);
  const found = existsSync(file) ? publicKeyOf(readFileSync(file)) : undefined;
  if (found?.startsWith('ssh-ed25519 ') === true) return found;
  throw new Failure({
    code: 'no-identity',
    exit: 'usage',
    message: `expected the Ed25519 private key of ${config.node} in ${file}, without a passphrase, found ${found === undefined ? 'none' : found.split(' ')[0]}`,
    hint: `run \`bm-confsync init --node ${config.node} --role active|passive\` there, which makes what is missing`,
  });
}

function hostKeyOf(file: string): string {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const found = /^(ssh-ed25519 [A-Za-z0-9+/]{68})(?:\s|$)/.exec(text)?.[1];
  if (found !== undefined) return found;
  throw new Failure({
    code: 'no-host-key',
    exit: 'usage',
    message: `expected the Ed25519 host key of sshd on ${hostname()} in ${file}, found ${text === '' ? 'nothing' : 'something else'}`,
    hint: 'make it with `ssh-keygen -A`, and restart sshd',
  });
}

/** One word for a POSIX shell. */
export function shellQuoted(text: string): string {
  return /^[A-Za-z0-9_./:@=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function sameName(name: string): Failure {
  return new Failure({
    code: 'same-name',
    exit: 'usage',
    message: `expected two nodes with names of their own, found ${name} on both`,
    hint: 'set `node` in the configuration of one of them; --name names a peer that has no configuration yet',
  });
}

function notRoot(user: string): Failure {
  return new Failure({
    code: 'not-root',
    exit: 'usage',
    message: `expected to run as root on ${hostname()}, found user ${user}`,
    hint: 'pair root@HOST, or let ssh run it by sudo: --peer-command "sudo bm-confsync"',
  });
}
