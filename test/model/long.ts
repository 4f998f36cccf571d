/**
 * Plays as many histories as fit: `node test/model/long.ts --minutes 10`. Each run begins at a number of its own,
 * which it prints; BM_CONFSYNC_SEED sets it. A history that fails is shown in its smallest form, with its number.
 */
import './seams.ts';
import { parseArgs } from 'node:util';

const { playHistories } = await import('./histories.ts');

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new RangeError(`expected minutes above 0, found ${values.minutes}`);
const first = Number(process.env['BM_CONFSYNC_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const reportEvery = 1000;

function* seeds(): Generator<number> {
  for (let seed = first; ; seed += 1) yield seed;
}

const until = performance.now() + minutes * 60_000;
process.stdout.write(`from ${first} on (BM_CONFSYNC_SEED=${first}), for ${minutes} minutes\n`);
try {
  const { histories, steps } = await playHistories(seeds(), (counted) => {
    if (counted.histories % reportEvery === 0)
      process.stdout.write(`${counted.histories} histories: ${first} to ${first + counted.histories - 1}\n`);
    return performance.now() >= until;
  });
  process.stdout.write(
    `${histories} histories, ${steps} steps: ${first} to ${first + histories - 1}, all as the model says\n`,
  );
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
}
