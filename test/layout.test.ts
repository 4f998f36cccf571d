import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  floorFaults,
  habitFaults,
  importersOf,
  importsOf,
  packageFaults,
  packageOf,
  unnamedDependencies,
  withoutComments,
} from './rig/layout.ts';
import { checkout } from './rig/program.ts';

const tsc = join(checkout, 'node_modules', '.bin', 'tsc');

function sourcesIn(pattern: string): Map<string, string> {
  const files = globSync(pattern, { cwd: checkout });
  return new Map(files.sort().map((file) => [file, readFileSync(join(checkout, file), 'utf8')]));
}

const src = sourcesIn('src/**/*.ts');
const manifest = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
};
const dependencies = Object.keys(manifest.dependencies);

describe('the sources', () => {
  test('are found, and their imports are', () => {
    assert.ok(src.size > 30, `${src.size} files`);
    assert.ok([...src.values()].flatMap(importsOf).length > 2 * src.size);
  });

  test('import only from the floors below', () => assert.deepEqual(floorFaults(src), []));

  test('know each exchangeable package in one file', () => assert.deepEqual(packageFaults(src), []));

  test('import only packages that are runtime dependencies, and all of them', () => {
    const imported = [...importersOf(src).keys()].sort();
    // The runtime itself is not imported.
    assert.deepEqual(imported, dependencies.filter((name) => name !== 'node').sort());
  });

  test('keep the habits', () => assert.deepEqual(habitFaults(src), []));

  test('and so do the benchmarks', () => assert.deepEqual(habitFaults(sourcesIn('benchmarks/**/*.ts')), []));

  test('of core compile without Node and without timers', () => {
    execFileSync(tsc, ['-p', join(checkout, 'src', 'core', 'tsconfig.json')], { stdio: 'pipe' });
  });
});

test('the README names every runtime dependency', () => {
  const readme = readFileSync(join(checkout, 'README.md'), 'utf8');
  assert.deepEqual(unnamedDependencies(dependencies, readme), []);
});

const bad: [string, (sources: Map<string, string>) => string[], Record<string, string>][] = [
  ['active imports passive', floorFaults, { 'src/active/a.ts': "import { b } from '../passive/b.ts';" }],
  ['passive imports active', floorFaults, { 'src/passive/a.ts': "import type { B } from '../active/b.ts';" }],
  ['core imports files', floorFaults, { 'src/core/a.ts': "import {\n  b,\n} from '../files/b.ts';" }],
  ['files imports its sibling log', floorFaults, { 'src/files/a.ts': "export { b } from '../log/b.ts';" }],
  ['state imports cli, dynamically', floorFaults, { 'src/state/a.ts': "await import('../cli/b.ts');" }],
  ['for effect', floorFaults, { 'src/core/a.ts': "import '../cli/main.ts';" }],
  ['a folder without a floor', floorFaults, { 'src/core/a.ts': "import { b } from '../misc/b.ts';" }],
  ['something outside of src', floorFaults, { 'src/cli/a.ts': "import { b } from '../../test/b.ts';" }],
  ['a note', habitFaults, { 'src/core/a.ts': '// TODO later' }],
  ['any', habitFaults, { 'src/core/a.ts': 'export const a = (b: any) => b;' }],
  ['any in a list', habitFaults, { 'src/core/a.ts': 'export const a: any[] = [];' }],
  ['a cast to any', habitFaults, { 'src/core/a.ts': 'f(b as any);' }],
  ['a map of any', habitFaults, { 'src/core/a.ts': 'const a = new Map<string, any>();' }],
  ['an empty catch', habitFaults, { 'src/core/a.ts': 'try { f(); } catch {\n}' }],
  ['a catch with a comment only', habitFaults, { 'src/core/a.ts': 'try { f(); } catch (e) {\n// no\n}' }],
  ['a swallowed rejection', habitFaults, { 'src/core/a.ts': 'f().catch(() => {});' }],
  ['a default export', habitFaults, { 'src/core/a.ts': 'export default 1;' }],
  ['a barrel', habitFaults, { 'src/core/a.ts': "export * from './b.ts';" }],
  ['a long file', habitFaults, { 'src/core/a.ts': 'a();\n'.repeat(320) }],
];

const wellPackaged = {
  'src/watch/a.ts': "import { watch } from 'chokidar';",
  'src/active/link.ts': "import { Client } from 'ssh2';",
  'src/cli/demo/server.ts': "import { Server } from 'ssh2';",
  'src/active/lanes.ts': "import PQueue from 'p-queue';",
  'src/files/glob.ts': "import { glob } from 'fast-glob';",
  'src/config/match.ts': "import micromatch from 'micromatch';",
  'src/files/hash.ts': "import xxhash from 'xxhash-wasm';",
  'src/log/log.ts': "import winston from 'winston';",
  'src/control/exposition.ts': "import Registry from 'prom-client/lib/registry.js';",
};

describe('the checks can fail', () => {
  for (const [name, check, sources] of bad) {
    test(name, () => assert.equal(check(new Map(Object.entries(sources))).length, 1));
  }

  test('a package in no file, in two files, and in the wrong one', () => {
    const faults = (more: Record<string, string>): string[] =>
      packageFaults(new Map(Object.entries({ ...wellPackaged, ...more })));
    assert.deepEqual(faults({}), []);
    assert.equal(faults({ 'src/log/log.ts': '' }).length, 1);
    assert.equal(faults({ 'src/files/b.ts': "import { xxh } from 'xxhash-wasm/x';" }).length, 1);
    assert.equal(faults({ 'src/active/b.ts': "import { utils } from 'ssh2';" }).length, 1);
    assert.equal(faults({ 'src/cli/demo/b.ts': "import { utils } from 'ssh2';" }).length, 1);
    assert.equal(faults({ 'src/cli/demo/server.ts': '', 'src/ha/b.ts': "import 'ssh2';" }).length, 1);
  });

  test('a dependency that the README names only as part of another word', () => {
    const readme = 'It stands on `ssh2` and on @types/diff, not on nodes.';
    assert.deepEqual(unnamedDependencies(['ssh2', 'node', 'diff', 'p-queue'], readme), [
      'node',
      'diff',
      'p-queue',
    ]);
  });

  test('a timer or a module of Node in core does not compile', () => {
    const folder = mkdtempSync(join(tmpdir(), 'bmcs-layout-'));
    try {
      const config = JSON.stringify({
        extends: join(checkout, 'src', 'core', 'tsconfig.json'),
        include: ['.'],
      });
      writeFileSync(join(folder, 'tsconfig.json'), config);
      writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
      const compile = (source: string): number | null => {
        writeFileSync(join(folder, 'a.ts'), source);
        return spawnSync(tsc, ['-p', folder], { stdio: 'ignore' }).status;
      };
      assert.equal(compile('export const a = 1;\n'), 0);
      assert.notEqual(compile('export const a = setTimeout(() => 1, 1);\n'), 0);
      assert.notEqual(compile("import { readFileSync } from 'node:fs';\nexport { readFileSync };\n"), 0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

test('comments are not code', () => {
  const source = "/** as any\n * import 'x';\n */\nconst a = 'http://x'; // TODO\nconst glob = '/etc/**';\n";
  assert.equal(withoutComments(source), "\n\n\nconst a = 'http://x'; \nconst glob = '/etc/**';\n");
  assert.deepEqual(importsOf(source), []);
});

test('a package is known by its name', () => {
  assert.equal(packageOf('ssh2/lib/x.js'), 'ssh2');
  assert.equal(packageOf('@biomejs/biome/x'), '@biomejs/biome');
  assert.equal(packageOf('node:fs'), undefined);
  assert.equal(packageOf('./a.ts'), undefined);
});
