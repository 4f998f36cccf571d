import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Duplex, duplexPair } from 'node:stream';
import { describe, it } from 'node:test';
import { stringify } from 'yaml';
import { compare } from '../../src/active/compare.ts';
import { openLink } from '../../src/active/link.ts';
import { fetchContent, look, ping } from '../../src/active/questions.ts';
import { Session } from '../../src/active/session.ts';
import { composePassive } from '../../src/cli/compose-passive.ts';
import { openEmbeddedServer } from '../../src/cli/demo/server.ts';
import { openNode } from '../../src/cli/node.ts';
import { absent, type Entry, type FileEntry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { Manifest } from '../../src/files/manifest.ts';
import { placingRight } from '../../src/passive/placing.ts';
import { serve } from '../../src/passive/serve.ts';
import { Pair } from '../world/pair.ts';
import { temporaryFolder } from '../world/tree.ts';

/** Something that carries a session to a passive node with a root of its own. */
type Transport = {
  readonly root: string;
  connect(): Promise<Duplex>;
  [Symbol.asyncDispose](): Promise<void>;
};

const user = { owner: 'root', group: 'root' };

function fileEntry(content: string | Buffer, mode = 0o644): FileEntry {
  const digest = createHash('sha256').update(content).digest('hex');
  return {
    kind: 'file',
    digest,
    size: Buffer.byteLength(content),
    mode,
    mtime: '1700000000.123456789',
    xattrs: {},
    ...user,
  };
}

function at(path: string): ReplicaPath {
  return path as ReplicaPath;
}

/** A passive node in this process; `serveOne` serves a stream. */
async function passiveHere(): Promise<{
  root: string;
  serveOne: (stream: Duplex) => Promise<void>;
  remove: () => void;
}> {
  const folder = temporaryFolder('passive');
  const root = join(folder, 'root');
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(join(folder, 'list.yml'), stringify({ name: 'test', include: ['/etc/**'] }));
  const config = {
    node: 'mail2',
    root,
    state: join(folder, 'state'),
    runtime: join(folder, 'run'),
    watchlists: [join(folder, 'list.yml')],
  };
  writeFileSync(join(folder, 'config.yml'), stringify(config), { mode: 0o600 });
  const node = await openNode(join(folder, 'config.yml'), () => undefined);
  node.seats.write({ role: 'passive', epoch: 0 });
  const passive = composePassive(node, placingRight(join(folder, 'placing.lock')));
  return {
    root,
    serveOne: (stream) => serve(passive, stream),
    remove: () => {
      node.database.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function overMemory(): Promise<Transport> {
  const passive = await passiveHere();
  const served: Promise<void>[] = [];
  return {
    root: passive.root,
    connect: async () => {
      const [ours, theirs] = duplexPair();
      served.push(passive.serveOne(theirs));
      return ours;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(served);
      passive.remove();
    },
  };
}

async function overEmbeddedSsh(): Promise<Transport> {
  const passive = await passiveHere();
  const served: Promise<void>[] = [];
  const server = await openEmbeddedServer((stream) => served.push(passive.serveOne(stream)));
  const closers: (() => void)[] = [];
  return {
    root: passive.root,
    connect: async () => {
      const { port, hostKey, privateKey } = server;
      const link = await openLink({
        peer: 'mail2',
        host: '127.0.0.1',
        port,
        user: 'root',
        hostKey,
        privateKey: Buffer.from(privateKey),
      });
      closers.push(link.close);
      return link.stream;
    },
    [Symbol.asyncDispose]: async () => {
      for (const close of closers) close();
      server.close();
      await Promise.all(served);
      passive.remove();
    },
  };
}

async function overOpenSsh(): Promise<Transport> {
  const pair = await Pair.open();
  const { port, user: name, hostKey, identityFile } = pair.sshd;
  const closers: (() => void)[] = [];
  return {
    root: pair.root('passive'),
    connect: async () => {
      const link = await openLink({
        peer: 'mail2',
        host: '127.0.0.1',
        port,
        user: name,
        hostKey,
        privateKey: readFileSync(identityFile),
      });
      closers.push(link.close);
      return link.stream;
    },
    [Symbol.asyncDispose]: async () => {
      for (const close of closers) close();
      await pair[Symbol.asyncDispose]();
    },
  };
}

async function open(
  transport: Transport,
  options: { epoch?: number; purpose?: 'replicate' | 'inspect' } = {},
) {
  return Session.open({
    stream: await transport.connect(),
    purpose: options.purpose ?? 'replicate',
    node: 'mail1',
    version: '0',
    seat: { role: 'active', epoch: options.epoch ?? 1 },
    watchlists: '',
    answerDeadlineMs: 20_000,
  });
}

async function opened(
  transport: Transport,
  options: { epoch?: number; purpose?: 'replicate' | 'inspect' } = {},
): Promise<Session> {
  const result = await open(transport, options);
  assert.equal(result.kind, 'open', JSON.stringify(result));
  if (result.kind !== 'open') throw new Error('unreachable');
  return result.session;
}

function inline(text: string): { kind: 'inline'; bytes: Buffer } {
  return { kind: 'inline', bytes: Buffer.from(text) };
}

function streamed(bytes: Buffer): { kind: 'stream'; chunks: () => Iterable<Buffer> } {
  return {
    kind: 'stream',
    *chunks() {
      for (let start = 0; start < bytes.length; start += 200_000)
        yield bytes.subarray(start, start + 200_000);
    },
  };
}

for (const [name, make] of [
  ['memory', overMemory],
  ['an in-process ssh2 server', overEmbeddedSsh],
  ['OpenSSH', overOpenSsh],
] as const) {
  describe(`the protocol over ${name}`, () => {
    it('places a file with content, mode and time, replaces it, and removes it', async () => {
      await using transport = await make();
      const session = await opened(transport);
      const one = fileEntry('one', 0o600);
      assert.deepEqual(await session.push({ path: at('/etc/a'), expect: absent, put: one }, inline('one')), {
        kind: 'applied',
      });
      const placed = join(transport.root, 'etc/a');
      assert.equal(readFileSync(placed, 'utf8'), 'one');
      assert.equal(statSync(placed).mode & 0o7777, 0o600);
      assert.equal(statSync(placed, { bigint: true }).mtimeNs, 1_700_000_000_123_456_789n);
      const two = fileEntry('two');
      assert.deepEqual(await session.push({ path: at('/etc/a'), expect: one, put: two }, inline('two')), {
        kind: 'applied',
      });
      assert.equal(readFileSync(placed, 'utf8'), 'two');
      assert.deepEqual(
        await session.push({ path: at('/etc/a'), expect: two, put: absent }, { kind: 'none' }),
        { kind: 'applied' },
      );
      assert.equal(existsSync(placed), false);
      session.close();
    });

    it('places directories, links, and files in them, pipelined without waiting', async () => {
      await using transport = await make();
      const session = await opened(transport);
      const directory: Entry = { kind: 'directory', mode: 0o750, xattrs: {}, ...user };
      const results = await Promise.all([
        session.push({ path: at('/etc/d'), expect: absent, put: directory }, { kind: 'none' }),
        ...Array.from({ length: 600 }, (_, n) =>
          session.push(
            { path: at(`/etc/d/f${n}`), expect: absent, put: fileEntry(`content ${n}`) },
            inline(`content ${n}`),
          ),
        ),
        session.push(
          { path: at('/etc/d/link'), expect: absent, put: { kind: 'symlink', target: 'f1', ...user } },
          { kind: 'none' },
        ),
      ]);
      assert.deepEqual([...new Set(results.map(({ kind }) => kind))], ['applied']);
      assert.equal(readFileSync(join(transport.root, 'etc/d/f599'), 'utf8'), 'content 599');
      assert.equal(readlinkSync(join(transport.root, 'etc/d/link')), 'f1');
      assert.equal(statSync(join(transport.root, 'etc/d')).mode & 0o7777, 0o750);
      session.close();
    });

    it('streams a large file, and drops it when its digest is not what was announced', async () => {
      await using transport = await make();
      const session = await opened(transport);
      const bytes = randomBytes(3_000_001);
      const put = fileEntry(bytes);
      assert.deepEqual(await session.push({ path: at('/etc/big'), expect: absent, put }, streamed(bytes)), {
        kind: 'applied',
      });
      assert.ok(readFileSync(join(transport.root, 'etc/big')).equals(bytes));
      const other = Buffer.from(bytes);
      other[1_500_000] = (other[1_500_000] ?? 0) ^ 1;
      const lied = await session.push({ path: at('/etc/lie'), expect: absent, put }, streamed(other));
      assert.equal(lied.kind === 'refused' && lied.reason, 'digest-mismatch');
      assert.equal(existsSync(join(transport.root, 'etc/lie')), false);
      session.close();
    });

    it('takes unchanged content from the file that is there, and asks for it where it is not', async () => {
      await using transport = await make();
      const session = await opened(transport);
      const before = fileEntry('text');
      await session.push({ path: at('/etc/a'), expect: absent, put: before }, inline('text'));
      const after: Entry = { ...before, mode: 0o640, owner: 'daemon', group: 'daemon' };
      assert.deepEqual(
        await session.push({ path: at('/etc/a'), expect: before, put: after }, { kind: 'local' }),
        { kind: 'applied' },
      );
      assert.equal(statSync(join(transport.root, 'etc/a')).mode & 0o7777, 0o640);
      assert.equal(statSync(join(transport.root, 'etc/a')).uid, 1);
      const asked = await session.push(
        { path: at('/etc/b'), expect: absent, put: before },
        { kind: 'local' },
      );
      assert.equal(asked.kind === 'refused' && asked.reason, 'need-content');
      session.close();
    });

    it('holds a conflict: what nobody knew of is neither overwritten nor removed', async () => {
      await using transport = await make();
      writeFileSync(join(transport.root, 'etc/a'), 'local edit');
      const session = await opened(transport);
      const pushed = await session.push(
        { path: at('/etc/a'), expect: fileEntry('known'), put: fileEntry('new') },
        inline('new'),
      );
      assert.equal(pushed.kind === 'conflict' && pushed.conflict, 'edited-on-both');
      const removed = await session.push(
        { path: at('/etc/a'), expect: fileEntry('known'), put: absent },
        { kind: 'none' },
      );
      assert.equal(removed.kind, 'conflict');
      assert.equal(readFileSync(join(transport.root, 'etc/a'), 'utf8'), 'local edit');
      session.close();
    });

    it('answers what is there: one digest, then the directories that differ, single paths, and content', async () => {
      await using transport = await make();
      const session = await opened(transport);
      await session.push({ path: at('/etc/a'), expect: absent, put: fileEntry('a') }, inline('a'));
      const manifest = new Manifest({ mtime: false });
      const options = { fresh: false, mtime: false, includes: () => true };
      const compared = await compare(session, async () => manifest, options);
      assert.deepEqual(
        compared?.differences.map(({ path }) => path),
        ['/etc/a'],
      );
      manifest.add(at('/etc/a'), { kind: 'entry', entry: fileEntry('a'), stamp: '' });
      assert.deepEqual((await compare(session, async () => manifest, options))?.differences, []);
      const seen = await look(session, [at('/etc/a'), at('/etc/nothing'), at('/usr/outside')]);
      assert.deepEqual(
        [...(seen ?? [])].map(([path, entry]) => [path, entry.kind]),
        [
          ['/etc/a', 'file'],
          ['/etc/nothing', 'absent'],
        ],
      );
      assert.equal((await fetchContent(session, at('/etc/a'), 1000))?.toString(), 'a');
      assert.equal(await fetchContent(session, at('/etc/shadow-outside'), 1000), undefined);
      assert.ok(((await ping(session)) ?? -1) >= 0);
      session.close();
    });

    it('replaying everything that was acked changes nothing', async () => {
      await using transport = await make();
      const pushes = [
        { path: at('/etc/a'), expect: absent, put: fileEntry('a') },
        { path: at('/etc/b'), expect: absent, put: fileEntry('a') },
      ];
      for (let round = 0; round < 3; round += 1) {
        const session = await opened(transport);
        const results = await Promise.all(pushes.map((push) => session.push(push, inline('a'))));
        assert.deepEqual(
          [...new Set(results.map(({ kind }) => kind))],
          [round === 0 ? 'applied' : 'already-there'],
        );
        session.close();
        await session.ended;
      }
      assert.equal(lstatSync(join(transport.root, 'etc/a')).nlink, 1);
    });

    it('a newer session takes over; the older one places nothing more', async () => {
      await using transport = await make();
      const older = await opened(transport);
      const newer = await opened(transport);
      await older.ended;
      assert.deepEqual(
        await newer.push({ path: at('/etc/a'), expect: absent, put: fileEntry('a') }, inline('a')),
        { kind: 'applied' },
      );
      assert.deepEqual(
        await older.push({ path: at('/etc/b'), expect: absent, put: fileEntry('b') }, inline('b')),
        { kind: 'lost' },
      );
      assert.equal(existsSync(join(transport.root, 'etc/b')), false);
      newer.close();
    });

    it('refuses a sender with an older epoch, and tells the newer one', async () => {
      await using transport = await make();
      const newest = await opened(transport, { epoch: 7 });
      newest.close();
      await newest.ended;
      const refused = await open(transport, { epoch: 6 });
      assert.deepEqual(refused.kind === 'refused' && [refused.reason, refused.epoch], ['stale-epoch', 7]);
    });

    it('a session that was opened to look places nothing', async () => {
      await using transport = await make();
      const session = await opened(transport, { purpose: 'inspect' });
      const result = await session.push(
        { path: at('/etc/a'), expect: absent, put: fileEntry('a') },
        inline('a'),
      );
      assert.equal(result.kind, 'refused');
      assert.equal(existsSync(join(transport.root, 'etc/a')), false);
      session.close();
    });
  });
}
