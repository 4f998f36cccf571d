import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterMove } from '../../src/core/move.ts';
import { packEntry } from '../../src/core/packed.ts';
import { parseReplicaPath, type ReplicaPath } from '../../src/core/path.ts';
import type { Directories } from '../../src/files/confined.ts';
import type { Folder } from '../../src/files/folder.ts';
import type { EntryCache, Observation } from '../../src/files/observation.ts';
import { observe } from '../../src/files/observe.ts';

/** A folder that is gone at the end of its scope. */
export function temporaryFolder(): Disposable & { readonly path: string; at(name: string): string } {
  const path = mkdtempSync(join(tmpdir(), 'bmcs-files-'));
  return {
    path,
    at: (name) => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

export function replica(text: string): ReplicaPath {
  const parsed = parseReplicaPath(text);
  assert.ok(parsed.ok, `${text} is no replica path`);
  return parsed.path;
}

/** Runs a tool of the system and returns what it says. A missing tool or a refusing file system fails the test. */
export function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

export function memoryCache(): EntryCache & { readonly size: number } {
  const folders = new Map<string, Folder>();
  const known = new Map<string, { stamp: string; entry: Extract<Observation, { kind: 'entry' }>['entry'] }>();
  return {
    get: (path) => known.get(path),
    packed: (path, { stamp }) => {
      const found = known.get(path);
      return found?.stamp === stamp ? packEntry(found.entry) : undefined;
    },
    knows: (path) => known.has(path),
    learn: () => undefined,
    set: (path, stamp, entry) => known.set(path, { stamp, entry }),
    delete: (path) => {
      known.delete(path);
      folders.clear();
    },
    moved: (move) => {
      for (const [path, one] of [...known])
        if (path.startsWith(`${move.from}/`)) known.set(afterMove(replica(path), move), one);
    },
    folder: (directory) => folders.get(directory),
    keep: (folder) => folders.set(folder.path, folder),
    retain: () => undefined,
    commit: () => undefined,
    get size() {
      return known.size;
    },
  };
}

export function look(
  directories: Directories,
  path: string,
  options: Partial<Parameters<typeof observe>[0]> = {},
): Observation {
  return observe({
    directories,
    path: replica(path),
    maxFileSizeBytes: 1024 * 1024,
    checkWriters: false,
    ...options,
  });
}

/** The entry of an observation; anything else fails the test. */
export function entryOf(observation: Observation) {
  assert.equal(observation.kind, 'entry', JSON.stringify(observation));
  assert.ok(observation.kind === 'entry');
  return observation.entry;
}

/** The reason and detail of a failed observation; anything else fails the test. */
export function failureOf(observation: Observation | undefined) {
  assert.ok(observation?.kind === 'failed', JSON.stringify(observation));
  return observation.failure;
}
