import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { compare } from '../../src/active/compare.ts';
import type { Answer, Session } from '../../src/active/session.ts';
import { initialiseHash } from '../../src/files/hash.ts';
import { Manifest } from '../../src/files/manifest.ts';

before(initialiseHash);

test('the peer is asked before this node walks, so that both walk at the same time', async () => {
  const steps: string[] = [];
  const manifest = new Manifest({ mtime: false });
  const ask = (_: unknown, onAnswer: (answer: Answer, body: Buffer) => unknown): Promise<boolean> => {
    // As a connection does, which joins what is sent in one turn.
    process.nextTick(() => steps.push('the question left'));
    onAnswer({ t: 'manifest', id: 1, digest: manifest.digest(), paths: 0 }, Buffer.alloc(0));
    return Promise.resolve(true);
  };
  await Promise.resolve();
  const make = async (): Promise<Manifest> => {
    steps.push('the walk began');
    return manifest;
  };
  const session = { ask } as Partial<Session> as Session;
  const options = { fresh: false, mtime: false, includes: () => true };
  const compared = await compare(session, make, options);
  assert.deepEqual(compared, { id: 1, differences: [], problems: [], checked: 0 });
  assert.deepEqual(steps, ['the question left', 'the walk began']);
});
