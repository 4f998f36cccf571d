import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import type { FileEntry } from '../../src/core/entry.ts';
import { parseReplicaPath, type ReplicaPath } from '../../src/core/path.ts';
import { type Database, openDatabase } from '../../src/state/database.ts';

export const peer = 'mail2';

/** A folder of its own for a test, 0700, removed afterwards. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'bmcs-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function opened(t: TestContext, folder: string): Database {
  const database = openDatabase(folder);
  t.after(() => database.close());
  return database;
}

export function path(raw: string): ReplicaPath {
  const parsed = parseReplicaPath(raw);
  if (!parsed.ok) throw new Error(`${raw} is ${parsed.fault}`);
  return parsed.path;
}

export function file(digit: string, about: Partial<FileEntry> = {}): FileEntry {
  return {
    kind: 'file',
    digest: digit.repeat(64),
    size: 5,
    mode: 0o644,
    owner: 'root',
    group: 'root',
    mtime: '1700000000.000000000',
    xattrs: {},
    ...about,
  };
}

/** Runs a module text in another Node; `say` of the text is a line of `lines`. */
export function another(t: TestContext, text: string): { child: ChildProcess; lines: AsyncIterator<string> } {
  const source = `const state = ${JSON.stringify(new URL('../../src/state/', import.meta.url).href)};
    const load = (name) => import(state + name + '.ts');
    const say = (line) => process.stdout.write(line + '\\n');
    ${text}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { child, lines };
}

export async function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
}

/** For assert.throws: a Failure of this code. */
export function failure(code: string): (error: unknown) => boolean {
  return (error) =>
    error instanceof Error && error.name === 'Failure' && 'code' in error && error.code === code;
}
