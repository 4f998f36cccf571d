import { fetchContent } from '../active/questions.ts';
import type { Session } from '../active/session.ts';
import { type PeerDrift, verifyPeer } from '../active/verify.ts';
import type { Peer as PeerConfig } from '../config/load.ts';
import { askDaemon } from '../control/client.ts';
import { Failure } from '../core/failure.ts';
import { printable } from '../core/path.ts';
import { openLog } from '../log/log.ts';
import type { Conflict } from '../state/conflicts.ts';
import { openTree } from './compose-active.ts';
import { openInspection } from './connect.ts';
import { maxDiffBytes, readOwn } from './content.ts';
import { settleMs } from './daemon/answers.ts';
import type { Io } from './io.ts';
import { type Node, openNode, requireActive } from './node.ts';
import { sizeText } from './render.ts';
import { renderDiff } from './render-diff.ts';
import type { Verified } from './render-verify.ts';

/** What verify does over a connection of its own, where the daemon could not do it over its session. */

/** `result`: undefined where the peer was not compared yet. */
export type Compared = { readonly name: string; readonly result: PeerDrift | undefined };

export type ByHandOptions = {
  readonly config: string;
  readonly full: boolean;
  readonly diff: boolean;
  /** Whether secrets in diffs are masked. */
  readonly mask: boolean;
};

/** Compares the peers that have no result yet, and fetches what `--diff` shows. Throws Failures. */
export async function verifyByHand(
  options: ByHandOptions,
  io: Io,
  compared: readonly Compared[],
): Promise<Verified[]> {
  const node = await openNode(options.config, openLog({ format: 'text', level: 'warn' }));
  requireActive(node, 'verify');
  if (node.config.peers.length === 0) throw noPeers(options.config);
  const peers: Verified[] = [];
  for (const peer of node.config.peers) {
    const known = compared.find(({ name }) => name === peer.name)?.result;
    peers.push(await verifyOne(node, { ...options, io, peer, known }));
  }
  node.cache.commit();
  node.database.close();
  return peers;
}

type Wanted = ByHandOptions & {
  readonly io: Io;
  readonly peer: PeerConfig;
  readonly known: PeerDrift | undefined;
};

async function verifyOne(node: Node, { full, diff, mask, io, peer, known }: Wanted): Promise<Verified> {
  const { name } = peer;
  if (known !== undefined && (!diff || known.drift.length === 0)) return { name, result: known, diffs: [] };
  const { session, close } = await openInspection(node, peer);
  try {
    const settle = (): Promise<void> => flushDaemon(node);
    const result = known ?? (await verifyPeer({ session, tree: openTree(node), full, settle }));
    if (result === undefined) throw lost(name);
    return {
      name,
      result,
      diffs: diff ? await diffsOf(node, session, { peer: name, result, mask, io }) : [],
    };
  } finally {
    close();
  }
}

/** The conflicts that this node knows of. */
export async function knownConflicts(configFile: string): Promise<Conflict[]> {
  const node = await openNode(configFile, openLog({ format: 'text', level: 'warn' }));
  const conflicts = node.conflicts.list();
  node.database.close();
  return conflicts;
}

/** Nothing was compared, which must not look like "in sync". */
function noPeers(file: string): Failure {
  return new Failure({
    code: 'no-peers',
    exit: 'usage',
    message: `expected at least one peer in ${file}, found none`,
    hint: 'add the passive node to `peers`; the comments in that file say how',
  });
}

/** Lets the daemon, if it runs, send what it has before a difference is called drift. */
async function flushDaemon(node: Node): Promise<void> {
  try {
    await askDaemon({
      runtime: node.config.runtime,
      command: 'flush',
      args: { paths: [], timeoutMs: settleMs },
    });
  } catch (error) {
    // That it could not flush is no answer to what was asked: the second look tells.
    if (!(error instanceof Failure)) throw error;
  }
}

function lost(peer: string): Failure {
  return new Failure({
    code: 'peer-unreachable',
    exit: 'unreachable',
    message: `the link to ${peer} was lost while the trees were compared`,
    hint: 'run it again; see `bm-confsync status` for the link',
  });
}

async function diffsOf(
  node: Node,
  session: Session,
  { peer, result, mask, io }: { peer: string; result: PeerDrift; mask: boolean; io: Io },
): Promise<string[]> {
  const diffs: string[] = [];
  for (const { path, kind, active, passive } of result.drift) {
    if (kind !== 'content' && kind !== 'missing' && kind !== 'extra' && kind !== 'type') continue;
    if (active.kind !== 'file' && passive.kind !== 'file') continue;
    const largest = Math.max(...[active, passive].map((entry) => (entry.kind === 'file' ? entry.size : 0)));
    if (largest > maxDiffBytes) {
      diffs.push(`too large to show ${printable(path)}: ${sizeText(largest)}\n`);
      continue;
    }
    const from = passive.kind === 'file' ? await fetchContent(session, path, maxDiffBytes) : Buffer.alloc(0);
    const to = active.kind === 'file' ? readOwn(node, path) : Buffer.alloc(0);
    if (from === undefined || to === undefined) continue;
    diffs.push(renderDiff(io, { path, fromName: peer, toName: node.config.node, from, to, mask }));
  }
  return diffs;
}
