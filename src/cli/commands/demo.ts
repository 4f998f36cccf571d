import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Event } from '../../core/event.ts';
import type { Exit } from '../../core/failure.ts';
import { printable } from '../../core/path.ts';
import { run } from '../arguments.ts';
import { RunningNode } from '../demo/running.ts';
import { openEmbeddedServer } from '../demo/server.ts';
import { copyTree, makeStage, type Stage, writeConfigs } from '../demo/stage.ts';
import { type Tour, takeTour } from '../demo/tour.ts';
import { takeTwoNodesTour } from '../demo/two-nodes.ts';
import type { Io } from '../io.ts';
import { openProgress } from '../progress.ts';
import { count, durationText, paint } from '../render.ts';
import type { Status } from '../status.ts';

/** What a shell reports for a program that SIGINT ended. */
const interrupted = 130;

/** Shows the main job on throwaway folders. Exit `done` when everything it showed was checked to be true. */
export async function demo(options: { once: boolean }, io: Io): Promise<Exit> {
  const stage = makeStage();
  const remove = (): void => rmSync(stage.folder, { recursive: true, force: true });
  const interrupt = (): void => {
    remove();
    process.exit(interrupted);
  };
  process.once('SIGINT', interrupt);
  try {
    return await show(stage, options, io, () => process.off('SIGINT', interrupt));
  } finally {
    remove();
  }
}

async function show(stage: Stage, options: { once: boolean }, io: Io, onTourOver: () => void): Promise<Exit> {
  io.out(
    `${paint(io, 'bold', 'bm-confsync demo')}: two nodes in ${stage.folder}; /etc is read, never written\n`,
  );
  const copied = copyTree('/etc', join(stage.active.root, 'etc'));
  io.out(
    `mail1 (active) has a copy of this machine's /etc: ${count(copied.files, 'path')}${copied.skipped > 0 ? `, ${copied.skipped} not readable by this user` : ''}\n`,
  );
  writeFileSync(join(stage.active.root, 'etc/bm-confsync-demo.conf'), '');
  const nodes: Partial<Record<'mail1' | 'mail2', RunningNode>> = {};
  const servers = {
    mail1: await openEmbeddedServer((stream) => nodes.mail1?.take(stream)),
    mail2: await openEmbeddedServer((stream) => nodes.mail2?.take(stream)),
  };
  writeConfigs(stage, servers);
  const live = { on: false };
  const tellLive = (event: Event): void => (live.on ? tell(event, io) : undefined);
  nodes.mail2 = await RunningNode.open(stage.passive.config, { role: 'passive', epoch: 0 }, () => undefined);
  nodes.mail1 = await RunningNode.open(stage.active.config, { role: 'active', epoch: 1 }, tellLive);
  const { mail1, mail2 } = nodes;
  try {
    const start = performance.now();
    await mail2.start();
    await mail1.start();
    const paths = await firstCopy(() => mail1.status(), io);
    io.out(
      `first copy: ${count(paths, 'replicated path')} on mail2 in ${durationText(performance.now() - start)}, each durable\n`,
    );
    const tour: Tour = {
      io,
      stage,
      run: (argv) => run(argv, { ...io, err: io.out }),
      pending: () => mail1.status().peers[0]?.pending ?? 0,
    };
    const held = (await takeTour(tour)) && (await takeTwoNodesTour(tour));
    onTourOver();
    if (!options.once) {
      live.on = true;
      await stayLive(stage, io);
    }
    io.out(
      held
        ? `\n${paint(io, 'green', 'Everything shown was checked on both disks and is true.')}\n`
        : `\n${paint(io, 'red', 'Something shown was not true.')}\n`,
    );
    return held ? 'done' : 'drift';
  } finally {
    await mail1.stop();
    await mail2.stop();
    await Promise.all([mail1.close(), mail2.close()]);
    for (const server of Object.values(servers)) server.close();
  }
}

/** Follows the first copy to its end; returns how many paths are on both nodes then. */
async function firstCopy(status: () => Status, io: Io): Promise<number> {
  const progress = openProgress(io, 'first copy');
  let total = 0;
  for (;;) {
    const { peers, watching } = status();
    const pending = peers[0]?.pending ?? 0;
    total = Math.max(total, pending);
    progress.update(total - pending, total);
    if (peers[0]?.state === 'live' && pending === 0) {
      progress.close();
      return watching.paths;
    }
    await pause(20);
  }
}

function tell(event: Event, io: Io): void {
  if (event.kind === 'pushed') {
    io.out(
      `  ${event.what === 'absent' ? 'deleted' : 'placed '} ${printable(event.path)} on mail2 after ${event.lagMs} ms\n`,
    );
  } else if (event.kind === 'conflict') io.out(`  conflict ${printable(event.path)} (${event.conflict})\n`);
  else if (event.kind === 'path-failed')
    io.out(`  skipped ${printable(event.path)}: ${printable(event.detail)}\n`);
}

async function stayLive(stage: Stage, io: Io): Promise<void> {
  io.out(
    `\n${paint(io, 'bold', 'Now it stays live.')} Try edits in another terminal, and watch them arrive here:\n`,
  );
  io.out(
    `  echo hello >> ${stage.active.root}/etc/motd\n  diff -r ${stage.active.root}/etc ${stage.passive.root}/etc\nCtrl-C ends it and removes both folders.\n`,
  );
  await new Promise<void>((resolve) => process.once('SIGINT', () => resolve()));
}
