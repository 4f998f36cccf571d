import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const checkout = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** What the sources start with; for tests that reach into a source file while it is loaded. */
export const sourceFile = join(checkout, 'src', 'cli', 'main.ts');

/** The program under test: what BM_CONFSYNC_PROGRAM names, as `npm test` does for its bundle, and the sources otherwise. */
export const mainFile = resolve(process.env['BM_CONFSYNC_PROGRAM'] ?? sourceFile);
