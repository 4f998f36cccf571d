import type { FoundConflict } from '../active/agreement.ts';
import type { Peer } from '../active/peer.ts';
import { fetchContent, look } from '../active/questions.ts';
import type { PushOutcome, Session } from '../active/session.ts';
import { type Entry, sameEntry } from '../core/entry.ts';
import type { Conflict } from '../state/conflicts.ts';
import type { Node } from './node.ts';
import { placeLocally } from './place-locally.ts';

export type ResolveReport = {
  /** Paths that both nodes hold alike now. */
  readonly resolved: string[];
  readonly failed: { readonly id: string; readonly path: string | null; readonly reason: string }[];
};

export type Take = 'active' | 'passive';

/**
 * Settles conflicts on the active node, one after the other: the chosen side is put on both nodes, what it
 * replaces is kept there as a version. What changed since the conflict was shown is left alone.
 */
export async function resolveConflicts(
  node: Node,
  peers: readonly Peer[],
  { ids, take }: { readonly ids: readonly string[]; readonly take: Take },
): Promise<ResolveReport> {
  const report: ResolveReport = { resolved: [], failed: [] };
  const found: Conflict[] = [];
  for (const id of ids) {
    const conflict = node.conflicts.get(id);
    if (conflict !== undefined) found.push(conflict);
    else
      report.failed.push({
        id,
        path: null,
        reason: 'no such conflict: it ended, or one of its sides changed',
      });
  }
  for (const conflict of inOrder(found, take)) {
    const peer = peers.find(({ name }) => name === conflict.peer);
    const reason = await resolveOne(node, peer, conflict, take);
    if (reason === undefined) report.resolved.push(conflict.path);
    else report.failed.push({ id: conflict.id, path: conflict.path, reason });
  }
  return report;
}

/** Directories before what is in them where something is put; the other way round where it goes. */
function inOrder(conflicts: readonly Conflict[], take: Take): Conflict[] {
  const byPath = [...conflicts].sort((a, b) => (a.path < b.path ? -1 : 1));
  const goes = ({ active, passive }: Conflict): boolean =>
    (take === 'active' ? active : passive).kind === 'absent';
  return [...byPath.filter(goes).reverse(), ...byPath.filter((conflict) => !goes(conflict))];
}

/** Undefined when it is resolved, else why not. */
async function resolveOne(
  node: Node,
  peer: Peer | undefined,
  conflict: Conflict,
  take: Take,
): Promise<string | undefined> {
  const session = peer?.session;
  if (peer === undefined || session === undefined) return `${conflict.peer} is not connected`;
  if (take === 'passive') {
    const reason = await adopt(node, session, conflict);
    if (reason !== undefined) return reason;
  }
  const outcome = await new Promise<PushOutcome>((resolve) =>
    peer.replicator.offer(conflict.path, resolve, conflict.passive),
  );
  return reasonOf(outcome, peer.name);
}

function reasonOf(outcome: PushOutcome, peer: string): string | undefined {
  switch (outcome.kind) {
    case 'applied':
    case 'already-there':
      return undefined;
    case 'conflict':
      return `it changed on ${peer} meanwhile; see \`bm-confsync conflicts list\` for what it is now`;
    case 'refused':
      return `${peer} refused it: ${outcome.reason}, ${outcome.detail}`;
    case 'lost':
      return `the link to ${peer} was lost`;
    case 'changed':
      return 'it changed on this node meanwhile';
  }
}

/** Puts the passive's entry on this node, durably, where it still holds what the conflict says. */
async function adopt(
  node: Node,
  session: Session,
  conflict: FoundConflict & { readonly peer: string },
): Promise<string | undefined> {
  const { path, active, passive, peer } = conflict;
  const there = (await look(session, [path]))?.get(path);
  if (there === undefined) return `${peer} could not look at it`;
  if (!sameEntry(there, passive)) return `it changed on ${peer} since the conflict was shown`;
  const content = await contentOf(node, session, path, there);
  if (content === undefined) return `${peer} did not give the content of it`;
  node.log({ kind: 'step', what: 'resolve', step: 'fetched', path });
  const result = await placeLocally(node, {
    path,
    expect: active,
    put: there,
    content,
    epoch: node.seat().epoch,
    peer,
  });
  if (result.kind === 'refused') return `${result.reason}, ${result.detail}`;
  if (result.kind === 'conflict') return 'it changed on this node since the conflict was shown';
  node.log({ kind: 'step', what: 'resolve', step: 'placed', path });
  node.log({ kind: 'adopted', peer, path });
  return undefined;
}

async function contentOf(
  node: Node,
  session: Session,
  path: Conflict['path'],
  entry: Entry,
): Promise<Buffer | undefined> {
  if (entry.kind !== 'file') return Buffer.alloc(0);
  if (entry.size > node.config.limits.maxFileSizeBytes) return undefined;
  return fetchContent(session, path, entry.size + 1);
}

/** What a policy that prefers the passive's side does; what it cannot do is held as a conflict. */
export async function takePassive(
  node: Node,
  peer: Peer,
  conflict: FoundConflict,
): Promise<string | undefined> {
  const { session } = peer;
  if (session === undefined) return `${peer.name} is not connected`;
  const reason = await adopt(node, session, { ...conflict, peer: peer.name });
  if (reason === undefined) peer.replicator.offer(conflict.path, undefined, conflict.passive);
  return reason;
}
