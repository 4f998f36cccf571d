import { readdirSync, rmSync, statSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { quickState } from '../config/runtime.ts';
import { productVersion } from './product.ts';

/** The folder in `state` in which Node keeps the program as V8 has compiled it, by version. */
const compiled = 'compiled';

/**
 * Has Node keep the daemon's program compiled, and take it from there at the next start, which saves a third of the time
 * until it watches. Whoever can write there can have root run what he likes; so only in a state folder that nobody else
 * can enter.
 */
export function keepCompiled(config: string): void {
  const state = quickState(config);
  const found = state === undefined ? undefined : statSync(state, { throwIfNoEntry: false });
  if (state === undefined || found === undefined || !found.isDirectory()) return;
  if ((found.mode & 0o077) !== 0 || found.uid !== process.geteuid?.()) return;
  enableCompileCache(join(state, compiled, productVersion));
}

/** Removes what was kept of other versions. */
export function forgetCompiled(state: string): void {
  const folder = join(state, compiled);
  if (statSync(folder, { throwIfNoEntry: false }) === undefined) return;
  for (const name of readdirSync(folder))
    if (name !== productVersion) rmSync(join(folder, name), { recursive: true, force: true });
}
