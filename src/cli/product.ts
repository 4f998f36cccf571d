import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const folder = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Where the watchlists are that come with the program. */
export const shippedWatchlists = join(folder, 'watchlists');

/** The program's version, as in package.json. */
export const productVersion = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))).version;
