import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { compare } from '../../src/active/compare.ts';
import { type Answer, Session } from '../../src/active/session.ts';
import { productVersion } from '../../src/cli/product.ts';
import { initialiseHash } from '../../src/files/hash.ts';
import { Manifest } from '../../src/files/manifest.ts';
import { scan } from '../../src/files/scan.ts';
import { Passive } from '../main/hostile-wire-rig.ts';
import { flat } from '../rig/flat.ts';
import { temporaryFolder, type Written, write } from '../world/tree.ts';

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

async function sessionWith(passive: Passive, version: string): Promise<{ session: Session; told: string[] }> {
  const seat = { role: 'active', epoch: 5 } as const;
  const { stream } = passive.stream();
  const open = { stream, purpose: 'inspect', node: 'mail1', version, seat, watchlists: '' } as const;
  const opened = await Session.open({ ...open, answerDeadlineMs: 20_000 });
  if (opened.kind !== 'open') throw new Error(JSON.stringify(opened));
  const { session } = opened;
  const told: string[] = [];
  const ask = session.ask.bind(session);
  session.ask = (question, onAnswer, id) =>
    ask(
      question,
      (answer, body) => {
        if (answer.t === 'entries') for (const [path] of answer.rows) told.push(path);
        return onAnswer(answer, body);
      },
      id,
    );
  return { session, told };
}

async function manifestOf(root: string): Promise<Manifest> {
  const etc = '/etc' as Parameters<Manifest['get']>[0];
  const watchlists = { roots: [etc], includes: (path: string) => path !== etc, mayContain: () => true };
  const manifest = new Manifest({ mtime: false });
  for await (const one of flat(scan({ root, watchlists, maxFileSizeBytes: 1e6 }))) manifest.take(one);
  return manifest;
}

const options = { fresh: false, mtime: false, includes: () => true };

test('between nodes of one version only the children that differ are told', async () => {
  await using passive = await Passive.open();
  const root = temporaryFolder('compare');
  const same = Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`etc/a/same-${at}`, 'x']));
  write(root, { ...same, 'etc/a/one': 'x', 'etc/a/here': 'x', 'etc/b/two': 'x' });
  write(passive.root, { ...same, 'etc/a/one': 'y', 'etc/a/there': 'x', 'etc/b/two': 'x' });
  const manifest = await manifestOf(root);
  const { session, told } = await sessionWith(passive, productVersion);
  const compared = await compare(session, async () => manifest, options);
  const expected = ['/etc/a/here', '/etc/a/one', '/etc/a/there'];
  assert.deepEqual(
    compared?.differences.map(({ path, active, passive: there }) => [path, active.kind, there.kind]),
    [
      [expected[0], 'file', 'absent'],
      [expected[1], 'file', 'file'],
      [expected[2], 'absent', 'file'],
    ],
  );
  // What is not there at all is told by its sum.
  assert.deepEqual(told.sort(), expected.slice(1));
  session.close();
  rmSync(root, { recursive: true });
});

test('nodes of one version find what nodes of two versions find', async () => {
  await using passive = await Passive.open();
  const own = await sessionWith(passive, productVersion);
  const other = await sessionWith(passive, '0');
  assert.deepEqual([own.session.speaksAlike, other.session.speaksAlike], [true, false]);
  const name = fc.constantFrom('a', 'b', 'ü', 'hostname');
  const path = fc.array(name, { minLength: 1, maxLength: 2 }).map((names) => `etc/${names.join('/')}`);
  const written: fc.Arbitrary<Written> = fc.constantFrom<Written[]>('x', 'y', 'fifo', { symlink: 'x' }, {
    directory: true,
  } as const);
  const tree = fc.dictionary(path, written, { maxKeys: 8 }).map((all) => {
    // What is a directory on the way to others is no file.
    const isOnTheWay = (at: string): boolean => Object.keys(all).some((one) => one.startsWith(`${at}/`));
    return Object.fromEntries(Object.entries(all).filter(([at]) => !isOnTheWay(at)));
  });
  await fc.assert(
    fc.asyncProperty(tree, tree, async (here, there) => {
      const root = temporaryFolder('compare');
      for (const [at, what] of [
        [root, here],
        [passive.root, there],
      ] as const) {
        rmSync(join(at, 'etc'), { recursive: true, force: true });
        write(at, { 'etc/always': 'x', ...what });
        // What no node can tell anything of.
        const fifos = Object.keys(what).filter((one) => what[one] === 'fifo');
        for (const one of fifos) rmSync(join(at, one));
        if (fifos.length > 0) execFileSync('mkfifo', fifos, { cwd: at });
      }
      const manifest = await manifestOf(root);
      const alike = await compare(own.session, async () => manifest, options);
      const differently = await compare(other.session, async () => manifest, options);
      assert.deepEqual({ ...alike, id: 0 }, { ...differently, id: 0 });
      const ahead = { ...options, isDifferenceLikely: true };
      const readily = await compare(own.session, async () => manifest, ahead);
      assert.deepEqual({ ...readily, id: 0 }, { ...differently, id: 0 });
      rmSync(root, { recursive: true });
    }),
    { numRuns: 40 },
  );
  own.session.close();
  other.session.close();
});
