import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkout, sourceFile } from '../test/rig/program.ts';

/** What users run. `kind`: the bundle, where the build makes one, and the sources otherwise, with the reason. */
export type Program =
  | { readonly kind: 'bundle'; readonly file: string }
  | { readonly kind: 'sources'; readonly file: string; readonly reason: string };

const bundle = join(checkout, 'dist', 'lib', 'main.mjs');

let known: Program | undefined;

/** Builds the bundle at the first call. BM_CONFSYNC_BENCH_PROGRAM=sources takes the sources. */
export function program(): Program {
  known ??= findProgram();
  return known;
}

function findProgram(): Program {
  const sources = (reason: string): Program => ({ kind: 'sources', file: sourceFile, reason });
  const asked = process.env['BM_CONFSYNC_BENCH_PROGRAM'];
  if (asked === 'sources') return sources('it was asked for');
  const { scripts } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  if (scripts['build'] === undefined) return sources('there is no `npm run build` yet');
  // An older bundle would be measured under the name of what is checked out.
  const built = spawnSync('npm', ['run', '--silent', 'build'], { cwd: checkout, encoding: 'utf8' });
  if (built.status !== 0) return sources(`\`npm run build\` ended with ${built.status}`);
  return existsSync(bundle) ? { kind: 'bundle', file: bundle } : sources('the build left no bundle in dist');
}
