import type { Ended } from '../core/failure.ts';
import { defaultConfig } from './default-config.ts';
import { processIo } from './io.ts';
import { productVersion } from './product.ts';
import { showStatus, toldStatus } from './told-status.ts';

/**
 * Runs the plainest forms of what is called most often: `--version`, and `status` with `--json` and `--config FILE`
 * while the daemon answers. Undefined for everything else, also for what is not quite right: that is for the parser to
 * say. Nothing that this imports may load a package: the bundle has all of it in the one file that starts.
 */
export async function runQuickly(argv: readonly string[]): Promise<Ended | undefined> {
  const [command, ...rest] = argv;
  if (command === '--version' || command === '-V') {
    if (rest.length > 0) return undefined;
    processIo().out(`${productVersion}\n`);
    return 'done';
  }
  if (command !== 'status') return undefined;
  const options = statusOptions(rest);
  if (options === undefined) return undefined;
  const found = await toldStatus(options.config);
  return found === undefined ? undefined : showStatus(found, options.json, processIo());
}

function statusOptions(rest: readonly string[]): { config: string; json: boolean } | undefined {
  const options = { config: defaultConfig, json: false };
  for (let at = 0; at < rest.length; at += 1) {
    const file = rest[at + 1];
    if (rest[at] === '--json') options.json = true;
    else if (rest[at] === '--config' && file !== undefined && !file.startsWith('-')) {
      options.config = file;
      at += 1;
    } else return undefined;
  }
  return options;
}
