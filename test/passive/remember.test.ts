import assert from 'node:assert/strict';
import { test } from 'node:test';
import { absent } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { rememberAll } from '../../src/passive/remember.ts';
import type { AckResult, PushMessage } from '../../src/wire/message.ts';
import { fileOf } from '../main/hostile-wire-rig.ts';

function resultOf(path: string, result: AckResult) {
  const push: PushMessage = {
    ...{ t: 'push', id: 1, epoch: 1, content: 'inline', expect: absent },
    ...{ path: path as ReplicaPath, put: fileOf('x') },
  };
  return { push, result };
}

test('what a batch agreed to is over in its order: a conflict that follows stays', () => {
  const told: string[] = [];
  const applied: AckResult = { kind: 'applied' };
  const conflict: AckResult = { kind: 'conflict', conflict: 'edited-on-both', found: absent };
  const results = [
    resultOf('/etc/a', applied),
    resultOf('/etc/a', conflict),
    resultOf('/etc/b', { kind: 'already-there' }),
    resultOf('/etc/outside', applied),
    resultOf('/etc/c', { kind: 'refused', reason: 'busy', detail: '', epoch: 0 }),
  ];
  rememberAll(results, {
    node: { watchlists: { ...noLists, includes: (path) => path !== '/etc/outside' }, log: () => undefined },
    memory: {
      record: (path) => void told.push(`agreed ${path}`),
      resolved: (paths) => void told.push(`over ${paths.join(' ')}`),
      conflict: ({ path }) => void told.push(`conflict ${path}`),
    },
    peer: 'mail1',
    onAnswered: (path) => void told.push(`answered ${path}`),
  });
  const answered = (path: string): string => `answered ${path}`;
  assert.deepEqual(
    told.filter((line) => !line.startsWith('answered')),
    ['agreed /etc/a', 'over /etc/a', 'conflict /etc/a', 'agreed /etc/b', 'over /etc/b'],
  );
  for (const path of ['/etc/a', '/etc/b', '/etc/outside', '/etc/c']) assert.ok(told.includes(answered(path)));
});

const noLists = {
  digest: '',
  roots: [],
  validators: [],
  applies: [],
  impliedDirectory: () => false,
  mayContain: () => true,
};
