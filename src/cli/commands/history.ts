import { listVersions } from '../../active/questions.ts';
import type { Exit } from '../../core/failure.ts';
import { printable, type ReplicaPath } from '../../core/path.ts';
import { openLog } from '../../log/log.ts';
import type { RemoteVersion } from '../../wire/message.ts';
import { hear, lookHere } from '../content.ts';
import type { Io } from '../io.ts';
import { openNode } from '../node.ts';
import { count, describeEntry, paint } from '../render.ts';
import { table } from '../table.ts';
import { agoText, timeText } from '../times.ts';

/** One kept version, and the node that keeps it. */
type Line = Omit<RemoteVersion, 'path'> & { readonly node: string };
type Silent = { readonly node: string; readonly detail: string };

/** Lists what this node and its peers keep of a path, newest first. A peer that does not answer is only noted. */
export async function history(
  options: { config: string; path: ReplicaPath; json: boolean },
  io: Io,
): Promise<Exit> {
  const node = await openNode(options.config, openLog({ format: 'text', level: 'warn' }));
  const { path } = options;
  const own = node.config.node;
  const lines: Line[] = node.versions.list(path).map((version) => lineOf(own, version));
  const silent: Silent[] = [];
  const heard = await Promise.all(
    node.config.peers.map(async ({ name }) => ({
      name,
      answer: await hear(node, name, (session) => listVersions(session, path)),
    })),
  );
  for (const { name, answer } of heard) {
    if (answer.kind === 'heard') lines.push(...answer.value.map((version) => lineOf(name, version)));
    else silent.push({ node: name, detail: answer.detail });
  }
  // Each node's own order stands where two times are equal.
  lines.sort((a, b) => b.at - a.at);
  const seen = lookHere(node, path);
  const now = seen.kind === 'entry' ? describeEntry(seen.entry) : 'cannot be read';
  node.database.close();
  for (const { node: name, detail } of silent)
    io.err(`note: without the versions on ${printable(name)}: ${printable(detail)}\n`);
  if (options.json) io.out(`${JSON.stringify({ path, versions: lines, silent })}\n`);
  else show({ path, lines, now: `${own} has now: ${now}` }, io);
  return 'done';
}

function lineOf(node: string, { id, at, epoch, reason, peer, entry }: RemoteVersion): Line {
  return { id, node, at, epoch, reason, peer, entry };
}

function show(
  { path, lines, now }: { path: ReplicaPath; lines: readonly Line[]; now: string },
  io: Io,
): void {
  io.out(
    `${paint(io, 'bold', printable(path))}: ${count(lines.length, 'version')} kept\n${printable(now)}\n`,
  );
  if (lines.length === 0) return;
  const clock = Date.now();
  const rows = lines.map(({ id, node, at, epoch, reason, entry }) => [
    printable(id),
    printable(node),
    timeText(at),
    agoText(at, clock),
    String(epoch),
    printable(reason),
    describeEntry(entry),
  ]);
  io.out(`\n${table(io, ['ID', 'NODE', 'TIME', 'AGE', 'EPOCH', 'REASON', 'WHAT IT WAS'], rows)}`);
  const [newest] = lines;
  if (newest !== undefined)
    io.out(
      `\nto look at one: \`bm-confsync restore ${printable(path)} --version ${printable(newest.id)} --diff\`; without --diff it is put back\n`,
    );
}
