import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../core/failure.ts';
import type { ReplicaPath } from '../../core/path.ts';
import { ConflictStore } from '../../state/conflicts.ts';
import { openDatabase } from '../../state/database.ts';
import { FactStore } from '../../state/facts.ts';
import { VersionStore } from '../../state/versions.ts';
import { paint } from '../render.ts';
import { becomesTrue, isFile, type Tour, verdict } from './tour.ts';

const demoFile = 'etc/bm-confsync-demo.conf';

/** Two nodes, one truth: conflicts, versions, an upgrade, a failover and return. True when every claim held. */
export async function takeTwoNodesTour(tour: Tour): Promise<boolean> {
  const { io } = tour;
  io.out(`\n${paint(io, 'bold', '— Two nodes, one truth —')}\n`);
  const results: boolean[] = [];
  for (const chapter of [conflict, version, upgrade, failover]) results.push(await chapter(tour));
  return results.every(Boolean);
}

/** An edit on both sides is shown three ways and settled by a person. */
async function conflict(tour: Tour): Promise<boolean> {
  const { io } = tour;
  title(tour, 'The same file is edited on both nodes: nothing is overwritten, a person decides');
  const on1 = at(tour, 'active', demoFile);
  const on2 = at(tour, 'passive', demoFile);
  type(tour, 'mail2', `echo "relay = mail2" > ${demoFile}`);
  writeFileSync(on2, 'relay = mail2\n');
  const noticed = await waitFor(tour, () => conflictsOn(tour, 'active').length === 1);
  const both = verdict(io, noticed, 'both nodes know of the conflict a moment later');
  type(tour, 'mail1', `echo "relay = mail1" > ${demoFile}`);
  writeFileSync(on1, 'relay = mail1\n');
  await waitFor(tour, () => conflictsOn(tour, 'active')[0]?.kind === 'edited-on-both');
  const id = conflictsOn(tour, 'active')[0]?.id ?? '';
  await ran(tour, 'active', ['conflicts', 'show', id]);
  const kept = verdict(
    io,
    isFile(on1, 'relay = mail1\n') && isFile(on2, 'relay = mail2\n'),
    'each node still has what was written on it',
  );
  const end = await ran(tour, 'active', ['conflicts', 'resolve', id, '--take', 'passive']);
  const settled = verdict(
    io,
    end === 'done' && isFile(on1, 'relay = mail2\n') && conflictsOn(tour, 'active').length === 0,
    'mail1 has the file of mail2 now, and nothing is in conflict any more',
  );
  return both && kept && settled;
}

/** What was replaced comes back. */
async function version(tour: Tour): Promise<boolean> {
  title(tour, 'What was replaced is kept as a version, and can be put back on both nodes');
  const path = `/${demoFile}` as ReplicaPath;
  await ran(tour, 'active', ['history', path]);
  using database = openDatabase(join(tour.stage.folder, 'mail1', 'state'));
  const id = new VersionStore(database).list(path)[0]?.id ?? '';
  const end = await ran(tour, 'active', ['restore', path, '--version', id, '--yes']);
  const arrived = await waitFor(tour, () => isFile(at(tour, 'passive', demoFile), 'relay = mail1\n'));
  return verdict(
    tour.io,
    end === 'done' && arrived && isFile(at(tour, 'active', demoFile), 'relay = mail1\n'),
    'both nodes have the earlier content of mail1 again',
  );
}

/** BlueMind's upgrade: packages change files on each node, and nothing is carried over meanwhile. */
async function upgrade(tour: Tour): Promise<boolean> {
  const { io } = tour;
  title(tour, 'An upgrade: while the switch is off, each node changes its own files');
  await ran(tour, 'active', ['ha', 'disable', '--reason', 'upgrade']);
  type(tour, 'both', 'apt upgrade   # one file changes alike, one on mail1 only, one differently');
  for (const [name, one, two] of [
    ['alike', 'new\n', 'new\n'],
    ['one-side', 'new\n', undefined],
    ['differs', 'as mail1\n', 'as mail2\n'],
  ] as const) {
    writeFileSync(at(tour, 'active', `etc/demo-${name}.conf`), one);
    if (two !== undefined) writeFileSync(at(tour, 'passive', `etc/demo-${name}.conf`), two);
  }
  // What is seen only once the switch is on again is pushed by itself, not by the comparison that is shown.
  await waitFor(tour, () => tour.pending() === 3);
  const refused = await ran(tour, 'active', ['resync', '--yes']).catch((error: unknown) => {
    if (!(error instanceof Failure)) throw error;
    io.out(`error: ${error.message}\n`);
    return error.exit;
  });
  const quiet = verdict(
    io,
    refused === 'refused' && !isFile(at(tour, 'passive', 'etc/demo-one-side.conf'), 'new\n'),
    'nothing was carried over, and resync is refused',
  );
  await ran(tour, 'active', ['ha', 'enable']);
  const reported = verdict(
    io,
    isFile(at(tour, 'passive', 'etc/demo-one-side.conf'), 'new\n') &&
      isFile(at(tour, 'passive', 'etc/demo-differs.conf'), 'as mail2\n') &&
      conflictsOn(tour, 'active').length === 1,
    'one converged by itself, one was pushed, one waits as a conflict',
  );
  const id = conflictsOn(tour, 'active')[0]?.id ?? '';
  const end = await ran(tour, 'active', ['conflicts', 'resolve', id, '--take', 'active']);
  const settled = verdict(
    io,
    end === 'done' && isFile(at(tour, 'passive', 'etc/demo-differs.conf'), 'as mail1\n'),
    'mail2 has the file of mail1, and keeps its own as a version',
  );
  return quiet && reported && settled;
}

/** The direction reverses without any change of configuration. */
async function failover(tour: Tour): Promise<boolean> {
  const { io } = tour;
  title(tour, 'A failover and the return: the direction follows the seat');
  // The active tells the passive a moment later that nothing waits any more.
  await waitFor(tour, () => knownBehind(tour) === 0);
  await ran(tour, 'passive', ['ready']);
  const there = await ran(tour, 'passive', ['promote']);
  type(tour, 'mail2', `echo "# from mail2" >> ${demoFile}`);
  appendFileSync(at(tour, 'passive', demoFile), '# from mail2\n');
  const reversed = await waitFor(tour, () =>
    isFile(at(tour, 'active', demoFile), 'relay = mail1\n# from mail2\n'),
  );
  const over = verdict(io, there === 'done' && reversed, 'a change on mail2 arrives on mail1 now');
  const back = await ran(tour, 'active', ['promote']);
  type(tour, 'mail1', `echo "# from mail1" >> ${demoFile}`);
  appendFileSync(at(tour, 'active', demoFile), '# from mail1\n');
  const returned = await waitFor(tour, () =>
    isFile(at(tour, 'passive', demoFile), 'relay = mail1\n# from mail2\n# from mail1\n'),
  );
  return verdict(io, back === 'done' && returned, 'and the other way round after the return') && over;
}

type Side = 'active' | 'passive';

function at({ stage }: Tour, side: Side, path: string): string {
  return join(stage[side].root, path);
}

function config({ stage }: Tour, side: Side): string[] {
  return ['--config', stage[side].config];
}

function title({ io }: Tour, text: string): void {
  io.out(`\n${paint(io, 'bold', text)}\n`);
}

function type({ io }: Tour, where: string, line: string): void {
  io.out(`  ${where}$ ${line}\n`);
}

/** Shows and runs a command on the node that began as `side`. */
function ran(tour: Tour, side: Side, argv: readonly string[]): ReturnType<Tour['run']> {
  type(tour, side === 'active' ? 'mail1' : 'mail2', `bm-confsync ${argv.join(' ')}`);
  return tour.run([...argv, ...config(tour, side)]);
}

/** What the passive was told to be waiting; undefined before it was told anything. */
function knownBehind({ stage }: Tour): number | undefined {
  using database = openDatabase(join(stage.folder, 'mail2', 'state'));
  const told = new FactStore(database).get('standing')?.value;
  return told === undefined ? undefined : told.pending + told.conflicts + told.held.length;
}

function conflictsOn({ stage }: Tour, side: Side): ReturnType<ConflictStore['list']> {
  using database = openDatabase(join(stage.folder, side === 'active' ? 'mail1' : 'mail2', 'state'));
  return new ConflictStore(database).list();
}

function waitFor(tour: Tour, holds: () => boolean): Promise<boolean> {
  return becomesTrue(join(tour.stage.passive.root, 'etc'), holds);
}
