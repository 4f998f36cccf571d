import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { withoutComments } from '../rig/layout.ts';
import { checkout } from '../rig/program.ts';

/** What the daemon loads as soon as it watches. */
const atOnce = ['daemon/sides.ts', 'daemon/requests.ts'];

/** A file of the sources, and all that are loaded with it. */
function loadedWith(file: string, known = new Set<string>()): Set<string> {
  if (known.has(file)) return known;
  known.add(file);
  const source = withoutComments(readFileSync(file, 'utf8'));
  for (const [, specifier = ''] of source.matchAll(
    /^(?:import|export)\s(?!type\s)[^'";]*?from '(\.[^']+)'/gm,
  ))
    loadedWith(join(dirname(file), specifier), known);
  return known;
}

/**
 * The daemon loads what it does in either seat, and what answers the command line, all at once as soon as it watches. A
 * request of the peer comes in a session of its own, to a receiver that has just started. Metrics that nobody may ever
 * ask for are not loaded before somebody does; where that fails it is told, and nothing else does.
 */
const soon = [
  'src/cli/commands/run.ts',
  'src/cli/daemon/daemon.ts',
  'src/cli/peer-requests.ts',
  'src/control/metrics.ts',
];

// An upgrade replaces the files of the program while these run, for weeks or in the middle of a push.
for (const command of ['run', 'receive']) {
  test(`${command} loads all of itself at its start`, () => {
    const starts = command === 'run' ? ['commands/run.ts', ...atOnce] : ['commands/receive.ts'];
    const known = new Set<string>();
    for (const file of starts) loadedWith(join(checkout, 'src/cli', file), known);
    const files = [...known];
    assert.ok(files.length > 30, String(files.length));
    const late = files.filter((file) => /\bimport\(/.test(withoutComments(readFileSync(file, 'utf8'))));
    const names = late.map((file) => relative(checkout, file));
    assert.deepEqual(
      names.filter((name) => !soon.includes(name)),
      [],
    );
  });
}
