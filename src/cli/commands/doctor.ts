import type { Exit } from '../../core/failure.ts';
import { exitOf } from '../doctor/check.ts';
import { examine } from '../doctor/examine.ts';
import { asJson, render } from '../doctor/render.ts';
import { thisMachine } from '../doctor/surroundings.ts';
import type { Io } from '../io.ts';

/** Checks everything that an operator would. Ends with `drift` when a check found an error. */
export async function doctor(options: { config: string; json: boolean }, io: Io): Promise<Exit> {
  const examined = await examine(options.config, thisMachine());
  io.out(options.json ? `${JSON.stringify(asJson(examined))}\n` : render(examined, io));
  return exitOf(examined.checks);
}
