import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Canaries } from '../../src/active/canary.ts';
import { Engine } from '../../src/active/engine.ts';
import type { Peer } from '../../src/active/peer.ts';
import type { Tree } from '../../src/active/tree.ts';
import { absent, type Entry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import type { Observation } from '../../src/files/observation.ts';

const directory: Entry = { kind: 'directory', mode: 0o755, owner: 'root', group: 'root', xattrs: {} };
const gone = '/etc/gone' as ReplicaPath;
const there = '/etc/there' as ReplicaPath;
const below = '/etc/gone/a.conf' as ReplicaPath;

type OnSeen = (path: ReplicaPath, seen: Observation) => void;

test('what was below a directory that is gone is looked at with it, and no walk is needed', async (t) => {
  const walked: (ReplicaPath | undefined)[] = [];
  const looked: ReplicaPath[] = [];
  const look = (paths: Iterable<ReplicaPath>, onSeen: OnSeen): void => {
    for (const path of paths)
      onSeen(path, { kind: 'entry', entry: path === there ? directory : absent, stamp: '' });
  };
  const tree = {
    watchlists: { includes: () => true },
    look,
    shows: () => true,
    lookToSend: (paths: readonly ReplicaPath[], onSeen: OnSeen) => {
      looked.push(...paths);
      look(paths, onSeen);
    },
    unreadBytes: () => 0,
    walk: async function* ({ from }: { from?: ReplicaPath }): AsyncGenerator<never> {
      walked.push(from);
      yield* [];
    },
  };
  const ledger = { get: () => directory, below: (path: ReplicaPath) => (path === gone ? [gone, below] : []) };
  const replicator = { ledger, pending: 0, isRemoving: () => false, changed: () => undefined };
  const engine = new Engine({
    tree: tree as unknown as Tree,
    log: () => undefined,
    now: Date.now,
    deleteHoldMs: 60_000,
    maxWaitMs: 60_000,
    reconcileMs: 60_000,
    degradedWalkMs: 60_000,
    onIdle: () => undefined,
    canaries: {} as Canaries,
  });
  t.after(() => engine.stop());
  engine.serve([{ replicator, stop: () => Promise.resolve() } as unknown as Peer]);
  for (const path of [gone, there]) {
    engine.hint({ kind: 'path', path, change: 'rename' });
    engine.hint({ kind: 'tree', path });
  }
  for (let turns = 0; !looked.includes(below) && turns < 100; turns += 1)
    await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(walked, [there]);
  assert.deepEqual(looked, [gone, there, below]);
});
