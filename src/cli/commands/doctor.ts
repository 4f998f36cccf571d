import { type Exit, Failure } from '../../core/failure.ts';
import { exitOf } from '../doctor/check.ts';
import { examine } from '../doctor/examine.ts';
import { asJson, render } from '../doctor/render.ts';
import { thisMachine } from '../doctor/surroundings.ts';
import type { Io } from '../io.ts';

/** Checks everything that an operator would. Ends with `drift` when a check found an error. Throws Failure `not-root`. */
export async function doctor(options: { config: string; json: boolean }, io: Io): Promise<Exit> {
  const uid = process.geteuid?.() ?? 0;
  if (uid !== 0) {
    throw new Failure({
      code: 'not-root',
      exit: 'usage',
      message: `expected to be run by root, found user ${uid}, who cannot look at most of what is to be checked`,
      hint: 'sudo bm-confsync doctor',
    });
  }
  const examined = await examine(options.config, thisMachine());
  io.out(options.json ? `${JSON.stringify(asJson(examined))}\n` : render(examined, io));
  return exitOf(examined.checks);
}
