import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/** Preloaded into the program: it takes itself for version 0.0.9. */
const read = fs.readFileSync;
const replaced = (...args: Parameters<typeof read>): unknown =>
  String(args[0]).endsWith('/package.json') ? '{ "version": "0.0.9" }' : read(...args);
Object.assign(fs, { readFileSync: replaced });
syncBuiltinESMExports();
export type OlderVersion = typeof replaced;
