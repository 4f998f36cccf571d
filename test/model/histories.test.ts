import './seams.ts';
import { it } from 'node:test';

// What comes from `src` has to be loaded after the stand-ins are in place.
const { playHistories } = await import('./histories.ts');

/** The first number; the histories of a run are those of this number and the ones after it. */
const first = Number(process.env['BM_CONFSYNC_SEED'] ?? 1);
const histories = 2000;
/** A slow machine needs longer for all of them than any other test may take. Milliseconds. */
const timeout = 900_000;

const name = `two nodes do what the model says, whatever happens to them (${histories} histories from ${first})`;
it(name, { timeout }, async () => {
  await playHistories(Array.from({ length: histories }, (_, index) => first + index));
});
