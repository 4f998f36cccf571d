import { look } from '../../active/questions.ts';
import type { Peer } from '../../config/load.ts';
import { askDaemon } from '../../control/client.ts';
import type { Entry } from '../../core/entry.ts';
import { type Exit, Failure } from '../../core/failure.ts';
import { printable, type ReplicaPath } from '../../core/path.ts';
import type { Observation } from '../../files/observation.ts';
import { openLog } from '../../log/log.ts';
import { Ledger } from '../../state/ledger.ts';
import { openTree } from '../compose-active.ts';
import { openInspection } from '../connect.ts';
import type { Explained } from '../daemon/answers.ts';
import type { Io } from '../io.ts';
import { type Node, openNode } from '../node.ts';
import { describeEntry, labels } from '../render.ts';
import { decisionText } from './watchlist.ts';

/** Everything that is known about one path. */
export async function explain(
  options: { config: string; path: ReplicaPath; json: boolean },
  io: Io,
): Promise<Exit> {
  const node = await openNode(options.config, openLog({ format: 'text', level: 'warn' }));
  const { path } = options;
  const decision = node.watchlists.decide(path);
  const asked = await askDaemon({ runtime: node.config.runtime, command: 'explain', args: { path } });
  const running = asked.answered ? (asked.value as Explained) : undefined;
  const here = openTree(node).observe(path);
  const peers: PeerView[] = [];
  for (const peer of node.config.peers) {
    const told = running?.peers.find(({ name }) => name === peer.name);
    const agreed =
      told === undefined
        ? new Ledger(node.database, { peer: peer.name, mode: 'direct', now: Date.now }).get(path)
        : told.agreed;
    const there = decision.included ? await lookThere(node, peer, path) : { kind: 'not-asked' as const };
    const conflict = node.conflicts.at(peer.name, path);
    peers.push({
      name: peer.name,
      there,
      agreed,
      pending: told?.pending ?? false,
      trouble: told?.trouble,
      conflict: conflict?.kind,
    });
  }
  node.database.close();
  if (options.json) {
    io.out(`${JSON.stringify({ path, decision, daemon: asked.answered, here, peers })}\n`);
  } else {
    const lines: [string, string][] = [
      ['rule', decisionText(path, decision)],
      [node.config.node, hereText(here)],
    ];
    for (const peer of peers) lines.push(...peerLines(peer, asked.answered));
    const names = labels(lines.map(([name]) => name));
    io.out(`${printable(path)}\n`);
    lines.forEach(([, text], index) => {
      io.out(`  ${names[index]} ${text}\n`);
    });
  }
  return peers.some(({ there }) => there.kind === 'unknown') ? 'unreachable' : 'done';
}

/** What the peer holds; `unknown` with why, `not-asked` for a path that is not replicated. */
type There =
  | { readonly kind: 'entry'; readonly entry: Entry }
  | { readonly kind: 'unknown'; readonly detail: string }
  | { readonly kind: 'not-asked' };

type PeerView = {
  readonly name: string;
  readonly there: There;
  readonly agreed: Entry | undefined;
  readonly pending: boolean;
  readonly trouble: { readonly reason: string; readonly detail: string } | undefined;
  readonly conflict: string | undefined;
};

function peerLines(peer: PeerView, daemon: boolean): [string, string][] {
  const { there, pending, trouble } = peer;
  const waits = pending ? 'yes' : 'no';
  const lines: [string, string][] = [
    [peer.name, thereText(there)],
    ['agreed', describeEntry(peer.agreed)],
    ['pending', daemon ? waits : 'unknown, the daemon does not run'],
  ];
  if (peer.conflict !== undefined) lines.push(['conflict', peer.conflict]);
  if (trouble !== undefined) lines.push(['last error', `${trouble.reason}: ${printable(trouble.detail)}`]);
  return lines;
}

function thereText(there: There): string {
  switch (there.kind) {
    case 'entry':
      return describeEntry(there.entry);
    case 'unknown':
      return `unknown: ${printable(there.detail)}`;
    case 'not-asked':
      return 'not asked, since the path is not replicated';
  }
}

async function lookThere(node: Node, peer: Peer, path: ReplicaPath): Promise<There> {
  try {
    const { session, close } = await openInspection(node, peer);
    try {
      const entry = (await look(session, [path]))?.get(path);
      return entry === undefined
        ? { kind: 'unknown', detail: 'it could not be looked at there' }
        : { kind: 'entry', entry };
    } finally {
      close();
    }
  } catch (error) {
    if (error instanceof Failure) return { kind: 'unknown', detail: error.message };
    throw error;
  }
}

function hereText(seen: Observation): string {
  switch (seen.kind) {
    case 'entry':
      return describeEntry(seen.entry);
    case 'unstable':
      return 'being written right now';
    case 'unsupported':
      return `a ${seen.type}, which is not replicated`;
    case 'failed':
      return `cannot be read: ${seen.failure.reason}, ${printable(seen.failure.detail)}`;
  }
}
