import { type Exit, Failure } from '../../core/failure.ts';
import { printable } from '../../core/path.ts';
import type { ConflictKind } from '../../core/plan.ts';
import { openLog } from '../../log/log.ts';
import type { Conflict } from '../../state/conflicts.ts';
import type { Io } from '../io.ts';
import { type Node, openNode } from '../node.ts';
import { count, describeEntry, labels, paint } from '../render.ts';
import { table } from '../table.ts';
import { type Picture, pictureOf, type Side } from '../three-way.ts';
import { agoText, timeText, writtenText } from '../times.ts';

/** What each kind means, for a person. */
const meanings = {
  'edited-on-passive': 'changed on the passive node alone since both last agreed',
  'edited-on-both': 'changed on both nodes since they last agreed',
  'first-sync': 'on both nodes, different, and never agreed on',
} as const satisfies Record<ConflictKind, string>;

/** Lists the conflicts that this node knows of. Exit `drift` when there are any. */
export async function listConflicts(options: { config: string; json: boolean }, io: Io): Promise<Exit> {
  const node = await openNode(options.config, openLog({ format: 'text', level: 'warn' }));
  const conflicts = node.conflicts.list();
  node.database.close();
  if (options.json) io.out(`${JSON.stringify(conflicts)}\n`);
  else if (conflicts.length === 0) io.out(`${paint(io, 'green', 'no conflicts')}\n`);
  else showList(conflicts, io);
  return conflicts.length === 0 ? 'done' : 'drift';
}

function showList(conflicts: readonly Conflict[], io: Io): void {
  const now = Date.now();
  const rows = conflicts.map(({ id, kind, detectedAt, peer, path }) => [
    id,
    kind,
    agoText(detectedAt, now),
    printable(peer),
    printable(path),
  ]);
  io.out(table(io, ['ID', 'KIND', 'DETECTED', 'PEER', 'PATH'], rows));
  io.out(
    `\n${count(conflicts.length, 'conflict')}; nothing of either node is overwritten until you choose\n`,
  );
  io.out(`to look at one: \`bm-confsync conflicts show ${conflicts[0]?.id ?? 'ID'}\`\n`);
}

/** Shows the three-way picture of one conflict and how to settle it. */
export async function showConflict(
  options: { config: string; id: string; mask: boolean; json: boolean },
  io: Io,
): Promise<Exit> {
  const node = await openNode(options.config, openLog({ format: 'text', level: 'warn' }));
  const conflict = node.conflicts.get(options.id);
  if (conflict === undefined) throw unknown(options.id);
  const picture = await pictureOf(node, conflict, {
    io: options.json ? { ...io, colour: false } : io,
    mask: options.mask,
  });
  if (options.json) io.out(`${JSON.stringify(asJson(node, conflict, picture))}\n`);
  else showPicture(node, conflict, picture, io);
  node.database.close();
  return 'done';
}

function unknown(id: string): Failure {
  return new Failure({
    code: 'no-such-conflict',
    exit: 'usage',
    message: `expected the id of a conflict that waits, found ${JSON.stringify(id)}`,
    hint: 'see `bm-confsync conflicts list`; the id changes when one of the nodes changes the path again',
  });
}

function asJson(node: Node, conflict: Conflict, { diffs, missing }: Picture): unknown {
  return { ...conflict, node: node.config.node, role: node.seat().role, diffs, missing };
}

function showPicture(node: Node, conflict: Conflict, picture: Picture, io: Io): void {
  const { id, path, kind, detectedAt, epoch } = conflict;
  const { role } = node.seat();
  const about = [
    ['conflict', id],
    ['kind', `${kind}: ${meanings[kind]}`],
    ['detected', `${timeText(detectedAt)} (${agoText(detectedAt, Date.now())}), in epoch ${epoch}`],
    ['you are on', `${printable(node.config.node)}, the ${role} node`],
  ] as const;
  const names = labels(about.map(([name]) => name));
  io.out(`${paint(io, 'bold', printable(path))}\n`);
  about.forEach(([, text], index) => {
    io.out(`  ${names[index]} ${text}\n`);
  });
  io.out('\n');
  const sides = labels(picture.sides.map(({ title }) => title));
  picture.sides.forEach((side, index) => {
    io.out(`  ${sides[index]} ${sideText(side)}\n`);
  });
  for (const { name, why } of picture.missing)
    io.out(`  ${paint(io, 'yellow', `the content ${whose(name)} cannot be shown`)}: ${printable(why)}\n`);
  for (const { text } of picture.diffs) io.out(`\n${text.trimEnd()}\n`);
  io.out(`\n${paint(io, 'bold', 'to settle it')}\n`);
  const [, active, passive] = picture.sides;
  io.out(`  bm-confsync conflicts resolve ${id} --take active\n      ${outcomeText(active, passive)}\n`);
  io.out(`  bm-confsync conflicts resolve ${id} --take passive\n      ${outcomeText(passive, active)}\n`);
}

/** What taking one side does to the node of the other. */
function outcomeText(taken: Side, other: Side): string {
  const [from, to] = [taken, other].map(({ name }) => printable(name));
  const done = taken.entry?.kind === 'absent' ? `it is removed on ${to}` : `${to} gets what ${from} has`;
  return other.entry?.kind === 'absent' ? done : `${done}; what ${to} has now is kept there as a version`;
}

function whose(name: string): string {
  return name === 'agreed' ? 'that was agreed' : `of ${printable(name)}`;
}

function sideText({ entry }: Side): string {
  const written = writtenText(entry);
  return written === undefined ? describeEntry(entry) : `${describeEntry(entry)}, ${written}`;
}
