import { mustRun } from '../child.ts';
import { now } from '../clock.ts';
import type { Peer } from '../peer.ts';
import { confsync, runBoth } from '../peers/confsync.ts';
import { program } from '../program.ts';
import { NotRun, type Row, type Series } from '../row.ts';
import { copyLocally, follow, type Made, openSeries } from '../series.ts';

const node: Peer = { name: 'node -e 0', about: 'a Node process that does nothing' };
const ours: Peer = {
  name: confsync.name,
  about: confsync.about,
  serve: runBoth,
};

/** Throws where a command does not say what it should. */
type Check = (stdout: string) => void;

async function build(
  peer: Peer,
  made: Made,
  command: readonly string[],
  check: Check,
): Promise<Pick<Series, 'sample' | 'check'>> {
  const { pair } = made;
  const found = program();
  if (peer === ours && found.kind === 'sources') throw new NotRun(`no bundle: ${found.reason}`);
  await copyLocally(pair);
  await follow(peer, made);
  const config = command.includes('--version') ? [] : ['--config', pair.active.config];
  const args = peer === node ? ['-e', '0'] : [found.file, ...command, ...config];
  return {
    sample: async () => {
      const start = now();
      const stdout = await mustRun(process.execPath, args);
      const durationMs = now() - start;
      if (peer !== node) check(stdout);
      return durationMs;
    },
    check: () => Promise.resolve(),
  };
}

function mustMatch(pattern: RegExp): Check {
  return (stdout) => {
    if (!pattern.test(stdout)) throw new Error(`expected ${pattern}, found ${stdout.slice(0, 100)}`);
  };
}

function rowOf(name: string, command: readonly string[], check: Check): Row {
  return {
    name,
    title: () => `\`bm-confsync ${command.join(' ')}\` from the bundle`,
    repeat: 30,
    peers: [ours, node],
    bars: [{ times: 1.6, against: node.name }],
    scale: (size) => ({ ...size, files: 100, bytes: 100_000, directories: 10 }),
    open: (peer, size) => openSeries({ size }, (made) => build(peer, made, command, check)),
  };
}

export const cliStatus = rowOf('cli-status', ['status'], mustMatch(/active, epoch 1/));
export const cliVersion = rowOf('cli-version', ['--version'], mustMatch(/^\d+\.\d+\.\d+/));
