import { inspect } from 'node:util';
import { seeded } from '../world/tree.ts';
import { act, end } from './actions.ts';
import { takeClocks } from './clock.ts';
import { Player } from './player.ts';
import { generate, type History, smaller } from './steps.ts';
import { World } from './world.ts';

/** How often a failing history is played again to make it smaller. */
const mostTries = 600;

export type Counted = { readonly histories: number; readonly steps: number };

/**
 * Plays histories, each from a number of its own, until `enough` says so. Throws with the number and the
 * smallest history that still fails.
 */
export async function playHistories(
  seeds: Iterable<number>,
  enough: (counted: Counted) => boolean = () => false,
): Promise<Counted> {
  const giveBack = takeClocks();
  const world = new World();
  let counted: Counted = { histories: 0, steps: 0 };
  try {
    for (const seed of seeds) {
      const history = generate(seeded(seed));
      const failure = await play(world, history);
      if (failure !== undefined) throw await failing(world, seed, history, failure);
      counted = { histories: counted.histories + 1, steps: counted.steps + history.steps.length };
      if (enough(counted)) break;
    }
  } finally {
    await world.close();
    giveBack();
  }
  return counted;
}

/** Undefined when all went as the model says, else the error. */
export async function play(world: World, history: History): Promise<Error | undefined> {
  const player = new Player(world, history);
  let step: unknown = 'the beginning';
  try {
    await player.begin(history.first);
    for (step of history.steps) await act(player, step as History['steps'][number]);
    step = 'the end';
    await end(player);
    return undefined;
  } catch (error) {
    const at = typeof step === 'string' ? step : `step ${history.steps.indexOf(step as never) + 1}`;
    return new Error(`at ${at}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

async function failing(world: World, seed: number, history: History, failure: Error): Promise<Error> {
  let [smallest, last] = [history, failure];
  let tries = 0;
  for (let found = true; found && tries < mostTries; ) {
    found = false;
    for (const candidate of smaller(smallest)) {
      tries += 1;
      const again = await play(world, candidate);
      // Another failure is another story.
      if (again === undefined || sortOf(again) !== sortOf(last)) continue;
      [smallest, last, found] = [candidate, again, true];
      break;
    }
  }
  const shown = inspect(smallest, { depth: 8, breakLength: 110 });
  return new Error(`history ${seed} (BM_CONFSYNC_SEED=${seed}) fails ${last.message}\n${shown}`, {
    cause: last.cause,
  });
}

/** A failure without what differs from run to run: paths, numbers, names of folders. */
function sortOf(failure: Error): string {
  const [first = ''] = failure.message.split('\n');
  return first.replace(/^at [^:]*: /, '').replace(/\/\S+|\d+/g, '');
}
