#!/usr/bin/env node
import { exitCodeOf } from './exit-code.ts';
import { runQuickly } from './quick.ts';
import { runServiceQuickly } from './quick-run.ts';

// A reader that went away (`| head`), or a terminal that was closed, is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE' && !(error.code === 'EIO' && process.stdout.isTTY)) throw error;
});

// What monitors call often does without the parser of all command lines, whose words it would have to load.
const argv = process.argv.slice(2);
process.exitCode =
  (await exitCodeOf(argv, () => runQuickly(argv))) ??
  (await runServiceQuickly(argv)) ??
  (await (await import('./program.ts')).runProgram(argv));
