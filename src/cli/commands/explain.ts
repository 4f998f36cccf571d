import { askDaemon } from '../../control/client.ts';
import type { Entry } from '../../core/entry.ts';
import { type Exit, Failure } from '../../core/failure.ts';
import { printable, type ReplicaPath } from '../../core/path.ts';
import { openLog } from '../../log/log.ts';
import { Ledger } from '../../state/ledger.ts';
import { type Node, openInspection, openNode, openTree } from '../compose.ts';
import type { Explained } from '../daemon.ts';
import type { Io } from '../io.ts';
import { describeEntry } from '../render.ts';
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
  const mine = here.kind === 'entry' ? here.entry : undefined;
  const peers = [];
  for (const peer of node.config.peers) {
    const told = running?.peers.find(({ name }) => name === peer.name);
    const agreed =
      told === undefined
        ? new Ledger(node.database, { peer: peer.name, mode: 'direct', now: Date.now }).get(path)
        : told.agreed;
    const there = decision.included ? await lookThere(node, peer.name, path) : undefined;
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
    return 'done';
  }
  io.out(`${printable(path)}\n  rule:      ${decisionText(path, decision)}\n`);
  io.out(`  ${node.config.node}:     ${mine === undefined ? unobserved(here) : describeEntry(mine)}\n`);
  for (const { name, there, agreed, pending, trouble, conflict } of peers) {
    io.out(
      `  ${name}:     ${typeof there === 'string' ? there : there === undefined ? 'not asked: the path is not replicated' : describeEntry(there)}\n`,
    );
    io.out(`  agreed:    ${describeEntry(agreed)}\n`);
    io.out(
      `  pending:   ${asked.answered ? (pending ? 'yes' : 'no') : 'unknown, the daemon does not run'}\n`,
    );
    if (conflict !== undefined) io.out(`  conflict:  ${conflict}\n`);
    if (trouble !== undefined) io.out(`  last error: ${trouble.reason}: ${printable(trouble.detail)}\n`);
  }
  return 'done';
}

async function lookThere(node: Node, name: string, path: ReplicaPath): Promise<Entry | string> {
  const peer = node.config.peers.find((one) => one.name === name);
  if (peer === undefined) return 'no such peer';
  try {
    const { session, close } = await openInspection(node, peer);
    const found = await session.look([path]);
    close();
    return found?.get(path) ?? 'it could not be looked at there';
  } catch (error) {
    if (error instanceof Failure) return `unknown: ${printable(error.message)}`;
    throw error;
  }
}

function unobserved(seen: { kind: string }): string {
  return `not to be replicated as it is (${JSON.stringify(seen)})`;
}
