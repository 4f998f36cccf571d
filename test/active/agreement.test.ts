import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { Agreements } from '../../src/active/agreement.ts';
import type { Entry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';

const link: Entry = { kind: 'symlink', target: 'x', owner: 'root', group: 'root' };

function rig(): { agree: (count: number) => void; committed: () => number[]; agreements: Agreements } {
  const known = new Map<ReplicaPath, Entry>();
  const commits: number[] = [];
  let uncommitted = 0;
  let made = 0;
  const agreements = new Agreements({
    size: 0,
    get: (path) => known.get(path),
    holds: () => false,
    record: (path, entry) => {
      known.set(path, entry);
      uncommitted += 1;
    },
    below: () => [],
    packedBelow: () => [],
    move: () => undefined,
    commit: () => {
      commits.push(uncommitted);
      uncommitted = 0;
    },
  });
  const agree = (count: number): void => {
    for (let times = 0; times < count; times += 1) {
      made += 1;
      agreements.agree(`/etc/${made}` as ReplicaPath, link);
    }
  };
  return { agree, committed: () => commits, agreements };
}

describe('what both nodes agree on is written down', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] }));
  afterEach(() => mock.timers.reset());

  it('in one transaction at the end of the turn, where it is little', () => {
    const { agree, committed } = rig();
    agree(3);
    assert.deepEqual(committed(), []);
    mock.timers.tick(0);
    assert.deepEqual(committed(), [3]);
  });

  it('in one for several turns in a bulk, a moment later', () => {
    const { agree, committed } = rig();
    for (let turns = 0; turns < 3; turns += 1) {
      agree(100);
      mock.timers.tick(5);
    }
    assert.deepEqual(committed(), []);
    mock.timers.tick(25);
    assert.deepEqual(committed(), [300]);
    agree(1);
    mock.timers.tick(0);
    assert.deepEqual(committed(), [300, 1], 'and what comes after it at once again');
  });

  it('at once where somebody asks for it', () => {
    const { agree, committed, agreements } = rig();
    agree(100);
    agreements.commit();
    assert.deepEqual(committed(), [100]);
  });
});
