import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = home(dirname(fileURLToPath(import.meta.url)));

/** The folder of the program: that of its package.json, above its sources as above its bundle. */
function home(at: string): string {
  return existsSync(join(at, 'package.json')) || at === dirname(at) ? at : home(dirname(at));
}

/** Where the watchlists are that come with the program: beside it, or where packages put what machines share. */
export const shippedWatchlists =
  [join(folder, 'watchlists'), '/usr/share/bm-confsync/watchlists'].find((at) => existsSync(at)) ??
  join(folder, 'watchlists');

/** The program's version, as in package.json. */
export const productVersion = versionIn(join(folder, 'package.json'));

function versionIn(file: string): string {
  const found: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (typeof found === 'object' && found !== null && 'version' in found && typeof found.version === 'string')
    return found.version;
  throw new Error(`expected a version in ${file}`);
}
