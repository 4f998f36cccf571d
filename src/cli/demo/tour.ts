import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Ended } from '../../core/failure.ts';
import type { Io } from '../io.ts';
import { paint } from '../render.ts';
import type { Stage } from './stage.ts';

export type Tour = {
  readonly io: Io;
  readonly stage: Stage;
  /** Runs a command of the program as an administrator would, and returns how it ended. */
  readonly run: (argv: readonly string[]) => Promise<Ended>;
  /** Paths that mail1 saw change and that mail2 does not have yet. */
  readonly pending: () => number;
};

/** How long a step may take before it is called untrue. */
const patienceMs = 10_000;

/** Walks through the main job. Every claim is checked on the disks; true when all of them held. */
export async function takeTour(tour: Tour): Promise<boolean> {
  const results: boolean[] = [];
  for (const step of steps) results.push(await step(tour));
  return results.every(Boolean);
}

const steps = [
  (tour: Tour) =>
    arrives(tour, {
      title: 'An edit on the active node arrives on the passive one',
      shown: 'echo "# edited on mail1" >> etc/bm-confsync-demo.conf',
      act: (active) => appendFileSync(join(active, 'etc/bm-confsync-demo.conf'), '# edited on mail1\n'),
      holds: (passive) => isFile(join(passive, 'etc/bm-confsync-demo.conf'), '# edited on mail1\n'),
    }),
  (tour: Tour) =>
    arrives(tour, {
      title: 'So does an atomic save, as editors and BlueMind do it (write beside, rename over)',
      shown: 'cp … etc/bm-confsync-demo.new; mv etc/bm-confsync-demo.new etc/bm-confsync-demo.conf',
      act: (active) => {
        writeFileSync(join(active, 'etc/bm-confsync-demo.new'), '# saved atomically\n');
        renameSync(join(active, 'etc/bm-confsync-demo.new'), join(active, 'etc/bm-confsync-demo.conf'));
      },
      holds: (passive) => isFile(join(passive, 'etc/bm-confsync-demo.conf'), '# saved atomically\n'),
    }),
  (tour: Tour) =>
    arrives(tour, {
      title: 'A change of permissions is a change like any other',
      shown: 'chmod 0600 etc/bm-confsync-demo.conf',
      act: (active) => chmodSync(join(active, 'etc/bm-confsync-demo.conf'), 0o600),
      holds: (passive) => (statSync(join(passive, 'etc/bm-confsync-demo.conf')).mode & 0o7777) === 0o600,
    }),
  (tour: Tour) =>
    arrives(tour, {
      title: 'A new directory with its content, made in one go, and then renamed',
      shown:
        'mkdir -p etc/demo.d/deep && echo x > etc/demo.d/deep/x.conf && mv etc/demo.d etc/demo-renamed.d',
      act: (active) => {
        mkdirSync(join(active, 'etc/demo.d/deep'), { recursive: true });
        writeFileSync(join(active, 'etc/demo.d/deep/x.conf'), 'x\n');
        renameSync(join(active, 'etc/demo.d'), join(active, 'etc/demo-renamed.d'));
      },
      holds: (passive) =>
        isFile(join(passive, 'etc/demo-renamed.d/deep/x.conf'), 'x\n') &&
        !existsSync(join(passive, 'etc/demo.d')),
    }),
  (tour: Tour) =>
    arrives(tour, {
      title: 'A symbolic link stays a symbolic link',
      shown: 'ln -s deep/x.conf etc/demo-renamed.d/link',
      act: (active) => symlinkSync('deep/x.conf', join(active, 'etc/demo-renamed.d/link')),
      holds: (passive) => isLink(join(passive, 'etc/demo-renamed.d/link'), 'deep/x.conf'),
    }),
  (tour: Tour) =>
    arrives(tour, {
      title:
        'A deletion is held for half a second, since editors delete and write anew; then it is carried over',
      shown: 'rm -r etc/demo-renamed.d',
      act: (active) => rmSync(join(active, 'etc/demo-renamed.d'), { recursive: true }),
      holds: (passive) => !existsSync(join(passive, 'etc/demo-renamed.d')),
    }),
  driftAndRepair,
];

type Step = {
  readonly title: string;
  readonly shown: string;
  readonly act: (active: string) => void;
  readonly holds: (passive: string) => boolean;
};

async function arrives({ io, stage }: Tour, step: Step): Promise<boolean> {
  io.out(`\n${paint(io, 'bold', step.title)}\n  mail1$ ${step.shown}\n`);
  const start = performance.now();
  step.act(stage.active.root);
  const held = await becomesTrue(join(stage.passive.root, 'etc'), () => step.holds(stage.passive.root));
  return verdict(io, held, `on mail2 after ${(performance.now() - start).toFixed(1)} ms`);
}

/** Somebody edits the wrong node; verify finds it and resync repairs it. */
async function driftAndRepair({ io, stage, run }: Tour): Promise<boolean> {
  io.out(
    `\n${paint(io, 'bold', 'Somebody edits the passive node: verify finds the drift, resync repairs it')}\n`,
  );
  io.out('  mail2$ echo "# wrong node" >> etc/bm-confsync-demo.conf\n');
  const file = join(stage.passive.root, 'etc/bm-confsync-demo.conf');
  appendFileSync(file, '# wrong node\n');
  io.out('  mail1$ bm-confsync verify --diff\n');
  const found = verdict(
    io,
    (await run(['verify', '--diff', '--config', stage.active.config])) === 'drift',
    'verify found the drift',
  );
  io.out('  mail1$ bm-confsync resync --yes\n');
  const resynced = await run(['resync', '--yes', '--config', stage.active.config]);
  const repaired = verdict(
    io,
    resynced === 'done' && isFile(file, '# saved atomically\n'),
    'mail2 holds the active node’s file again; its edit is kept there as a version',
  );
  io.out('  mail1$ bm-confsync verify\n');
  const clean = verdict(
    io,
    (await run(['verify', '--config', stage.active.config])) === 'done',
    'both nodes are the same',
  );
  return found && repaired && clean;
}

export function verdict(io: Io, held: boolean, text: string): boolean {
  io.out(
    held
      ? `  ${paint(io, 'green', 'ok')}  ${text}\n`
      : `  ${paint(io, 'red', 'NOT TRUE')}  expected: ${text}\n`,
  );
  return held;
}

export function isFile(path: string, content: string): boolean {
  return existsSync(path) && lstatSync(path).isFile() && readFileSync(path, 'utf8') === content;
}

function isLink(path: string, target: string): boolean {
  return (
    lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true && readlinkSync(path) === target
  );
}

/** Waits on the passive's own disk, not on what the program says. */
export function becomesTrue(folder: string, holds: () => boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (!holds()) return;
      end(true);
    };
    const watcher = watch(dirname(join(folder, 'x')), check);
    const poll = setInterval(check, 20);
    const timer = setTimeout(() => end(false), patienceMs);
    const end = (held: boolean): void => {
      watcher.close();
      clearInterval(poll);
      clearTimeout(timer);
      resolve(held);
    };
    check();
  });
}
