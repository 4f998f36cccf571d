import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import type { KnownConflict } from '../../src/core/conflict.ts';
import { absent, type Entry, type FileEntry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { racyMs } from '../../src/files/observe.ts';
import { Edits } from '../../src/passive/edits.ts';

const paths = Array.from({ length: 300 }, (_, index) => `/etc/d/${index}` as ReplicaPath);
const [first = '/' as ReplicaPath] = paths;

function file(digest: string, mtime = '1.000000000'): FileEntry {
  return { kind: 'file', digest, size: 1, mode: 0o644, mtime, owner: 'root', group: 'root', xattrs: {} };
}

async function* nothing(): AsyncGenerator<never> {
  // The walks here are only counted.
}

/** A node whose disk, ledger and intentions the test sets. */
class Passive {
  readonly disk = new Map<ReplicaPath, Entry>();
  readonly agreed = new Map<ReplicaPath, Entry>();
  readonly intended = new Map<ReplicaPath, Entry>();
  readonly known = new Map<ReplicaPath, KnownConflict>();
  readonly read: ReplicaPath[] = [];
  readonly recorded: ReplicaPath[] = [];
  readonly walked: (ReplicaPath | undefined)[] = [];
  /** How often the ledger was asked for news, and at which time it has some: that `first` holds `b`. */
  refreshes = 0;
  committedAt = 0;
  rests = 0;
  readonly edits = new Edits({
    agreed: {
      size: 1000,
      refresh: () => {
        this.refreshes += 1;
        if (this.refreshes === this.committedAt) this.agreed.set(first, file('b'));
      },
      get: (path) => this.agreed.get(path),
      intended: (path) => this.intended.get(path),
      below: () => [],
    },
    includes: () => true,
    look: (wanted, onSeen) => {
      for (const path of wanted) {
        this.read.push(path);
        onSeen(path, { kind: 'entry', entry: this.disk.get(path) ?? absent, stamp: '' });
      }
    },
    resembles: (path, entry) => {
      const there = this.disk.get(path);
      if (entry.kind !== 'file' || there?.kind !== 'file') return false;
      return there.mtime === entry.mtime && there.size === entry.size;
    },
    walk: ({ from }) => {
      this.walked.push(from);
      return nothing();
    },
    known: (path) => this.known.get(path),
    onRest: () => {
      this.rests += 1;
    },
    onRecord: (path, conflict) => {
      this.recorded.push(path);
      this.known.set(path, conflict);
    },
    onClear: () => undefined,
    now: Date.now,
    deleteHoldMs: 500,
    maxWaitMs: 10_000,
  });

  /** A receiver has placed these, and remembers it or is about to. */
  placed(all: readonly ReplicaPath[], remembered = this.agreed): void {
    for (const path of all) {
      this.disk.set(path, file('a'));
      remembered.set(path, file('a'));
    }
  }

  hint(all: readonly ReplicaPath[]): void {
    for (const path of all) this.edits.hint({ kind: 'path', path, change: 'rename' });
  }

  /** Time goes by while new paths are hinted at all the time, as while a receiver works. */
  busyFor(ms: number): void {
    for (let gone = 0; gone < ms; gone += 50) {
      this.hint(paths);
      mock.timers.tick(50);
    }
  }
}

describe('what a receiver does in a burst', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'] }));
  afterEach(() => mock.timers.reset());

  for (const where of ['agreed', 'intended'] as const) {
    it(`is not read while it goes on where it shows at first sight what is ${where}, and is read when it is over`, () => {
      const passive = new Passive();
      passive.placed(paths, passive[where]);
      passive.busyFor(3000);
      assert.deepEqual(passive.read, []);
      mock.timers.tick(5000);
      assert.deepEqual(new Set(passive.read), new Set(paths));
    });
  }

  it('hides no edit: what shows something else is read and told while it goes on', () => {
    const passive = new Passive();
    passive.placed(paths);
    passive.disk.set(first, file('b', '2.000000000'));
    passive.busyFor(1000);
    assert.deepEqual(passive.recorded, [first]);
    assert.deepEqual(new Set(passive.read), new Set([first]));
  });

  it('hides no edit that shows nothing at first sight either, though it is told later', () => {
    const passive = new Passive();
    passive.placed(paths);
    passive.disk.set(first, file('b'));
    passive.busyFor(1000);
    assert.deepEqual(passive.recorded, []);
    mock.timers.tick(5000);
    assert.deepEqual(passive.recorded, [first]);
  });

  it('is read in the end though it does not end', () => {
    const passive = new Passive();
    passive.placed(paths);
    passive.busyFor(12_500);
    assert.deepEqual(new Set(passive.read), new Set(paths));
  });

  it('has walks wait until it is over, for a while', async () => {
    const passive = new Passive();
    passive.placed(paths);
    passive.edits.hint({ kind: 'tree', path: '/etc/d' as ReplicaPath });
    passive.busyFor(4000);
    await Promise.resolve();
    assert.deepEqual(passive.walked, []);
    passive.busyFor(1500);
    await Promise.resolve();
    assert.deepEqual(passive.walked, ['/etc/d']);
  });

  it('goes on while a batch is made durable, in which nothing is heard', () => {
    const passive = new Passive();
    passive.placed(paths);
    for (let batch = 0; batch < 3; batch += 1) {
      passive.busyFor(200);
      mock.timers.tick(200);
    }
    assert.deepEqual(passive.read, []);
  });

  it('costs one question for news of the ledger for many looks', () => {
    const passive = new Passive();
    passive.placed(paths);
    passive.hint(paths);
    mock.timers.tick(10_000);
    assert.deepEqual(new Set(passive.read), new Set(paths));
    assert.ok(passive.refreshes <= 10, `${passive.refreshes} questions`);
  });

  it('is no edit where the ledger learns of it only while it is looked at', () => {
    const passive = new Passive();
    passive.placed([first]);
    passive.disk.set(first, file('b'));
    passive.committedAt = 2;
    passive.hint([first]);
    mock.timers.tick(1000);
    assert.deepEqual([passive.recorded, passive.edits.waiting], [[], 0]);
  });

  it('keeps no walk waiting once it is over', async () => {
    const passive = new Passive();
    passive.placed(paths);
    passive.edits.hint({ kind: 'tree', path: '/etc/d' as ReplicaPath });
    passive.busyFor(1000);
    mock.timers.tick(500);
    await Promise.resolve();
    assert.deepEqual(passive.walked, ['/etc/d']);
  });

  it('is over when all is judged, which is told once', () => {
    const passive = new Passive();
    passive.placed(paths);
    passive.busyFor(3000);
    assert.equal(passive.rests, 0);
    mock.timers.tick(5000);
    assert.equal(passive.rests, 1);
  });

  it('does not concern a few paths: they are read soon', () => {
    const passive = new Passive();
    passive.placed([first]);
    passive.hint([first]);
    mock.timers.tick(70);
    assert.deepEqual(passive.read, [first]);
  });

  it('has each path rest until what is read of it can be remembered', () => {
    const passive = new Passive();
    const few = paths.slice(0, 5);
    passive.placed(few);
    for (const path of few) {
      passive.hint([path]);
      mock.timers.tick(40);
    }
    assert.deepEqual(passive.read, []);
    mock.timers.tick(racyMs - 40);
    assert.deepEqual(passive.read, []);
    mock.timers.tick(20);
    assert.deepEqual(new Set(passive.read), new Set(few));
  });

  it('hides no edit that goes on and on: it is told within a second', () => {
    const passive = new Passive();
    passive.placed(paths);
    passive.disk.set(first, file('b', '2.000000000'));
    for (let ms = 0; ms < 800; ms += 40) {
      passive.hint([first]);
      mock.timers.tick(40);
    }
    assert.deepEqual(passive.recorded, [first]);
  });
});
