import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../world/eventually.ts';
import { Pair } from '../world/pair.ts';
import { differences, leftovers, temporaryFolder, write } from '../world/tree.ts';

const kibibyte = 1024;
const gibibyte = 1024 ** 3;
const unguarded = { massDeletion: { paths: 1_000_000, percent: 100 } };

/** The most memory a process ever had in use, bytes. */
function peakMemory(pid: number): number {
  const status = `/proc/${pid}/status`;
  if (!existsSync(status)) return 0;
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(status, 'utf8'))?.[1] ?? 0) * kibibyte;
}

function sha256sum(file: string): string {
  return execFileSync('sha256sum', [file], { encoding: 'utf8' }).slice(0, 64);
}

describe('sizes of files', () => {
  it('from nothing to just above what one message holds arrive as they are', async () => {
    await using pair = await Pair.open();
    const sizes = [0, 1, 4095, 4096, 256 * kibibyte - 1, 256 * kibibyte, 256 * kibibyte + 1, 512 * kibibyte];
    for (const size of sizes) write(pair.root('active'), { [`etc/before/${size}`]: 'z'.repeat(size) });
    await pair.startActive();
    for (const size of sizes) write(pair.root('active'), { [`etc/after/${size}`]: 'z'.repeat(size) });
    assert.equal((await pair.flush()).code, 0);
    assert.equal(differences(pair.root('active'), pair.root('passive')), '');
    for (const size of sizes) write(pair.root('active'), { [`etc/after/${size}`]: '' });
    assert.equal((await pair.flush()).code, 0);
    assert.equal(differences(pair.root('active'), pair.root('passive')), '');
  });

  it('above limits.maxFileSize are reported by name and not sent; what is there stays, the rest goes on', async () => {
    await using pair = await Pair.open({ active: { limits: { maxFileSize: '1MiB' } } });
    write(pair.root('active'), { 'etc/grows.db': 'small', 'etc/large.bin': 'x'.repeat(1024 * kibibyte + 1) });
    const daemon = await pair.startActive();
    await eventually('the small one is there', () => existsSync(pair.at('passive', '/etc/grows.db')));
    write(pair.root('active'), {
      'etc/grows.db': 'x'.repeat(2048 * kibibyte),
      'etc/other.conf': 'other',
      'etc/limit.bin': 'x'.repeat(1024 * kibibyte),
    });
    await pair.flush();
    const status = (await pair.run('active', ['status'])).stdout;
    for (const [name, size] of [
      ['grows.db', 2048 * kibibyte],
      ['large.bin', 1024 * kibibyte + 1],
    ] as const) {
      assert.match(
        status,
        new RegExp(`skipped: /etc/${name}: too-large, expected at most 1048576 bytes .* found ${size}`),
      );
      assert.match(daemon.log(), new RegExp(`path-failed: /etc/${name}: too-large`));
    }
    assert.deepEqual(readdirSync(pair.at('passive', '/etc')), ['grows.db', 'limit.bin', 'other.conf']);
    assert.equal(readFileSync(pair.at('passive', '/etc/grows.db'), 'utf8'), 'small');

    writeFileSync(pair.at('active', '/etc/grows.db'), 'small again');
    rmSync(pair.at('active', '/etc/large.bin'));
    assert.equal((await pair.flush()).code, 0);
    assert.equal(differences(pair.root('active'), pair.root('passive')), '');
    assert.doesNotMatch((await pair.run('active', ['status'])).stdout, /skipped/);
  });

  it('of one GiB arrive whole, and both processes stay small', async (t) => {
    const limits = { maxFileSize: '2GiB' };
    await using pair = await Pair.open({
      active: { limits },
      passive: { limits: { ...limits, minFreeDisk: 1 } },
    });
    const daemon = await pair.startActive();
    const large = pair.at('active', '/etc/large.bin');
    const made = join(pair.folder, 'large.bin');
    writeFileSync(made, 'begin');
    truncateSync(made, gibibyte - 3);
    writeFileSync(made, 'end', { flag: 'a' });
    renameSync(made, large);
    const peaks = { daemon: 0, receive: 0 };
    await eventually(
      'it arrives',
      () => {
        peaks.daemon = Math.max(peaks.daemon, peakMemory(daemon.process.pid ?? 0));
        peaks.receive = Math.max(
          peaks.receive,
          ...pair.sshd.sessions().commands.map(({ pid }) => peakMemory(pid)),
        );
        return existsSync(pair.at('passive', '/etc/large.bin'));
      },
      { deadlineMs: 75_000, detail: () => daemon.log().slice(-3000) },
    );
    t.diagnostic(`peaks: ${JSON.stringify(peaks)}`);
    assert.equal(sha256sum(pair.at('passive', '/etc/large.bin')), sha256sum(large));
    for (const [name, bytes] of Object.entries(peaks)) {
      assert.ok(bytes > 0, `${name} was measured`);
      assert.ok(bytes < 400 * 1024 * kibibyte, `${name} took ${bytes} bytes`);
    }
    assert.equal(leftovers(pair.root('passive')), '');
  });
});

describe('what is no file, directory or link', () => {
  it('is reported, is no deletion of what was there before, and holds nothing else up', async () => {
    await using pair = await Pair.open({ active: { limits: unguarded } });
    const names = ['fifo', 'socket', 'null', 'loop'];
    for (const name of names) write(pair.root('active'), { [`etc/was-file/${name}`]: `file ${name}` });
    write(pair.root('active'), { 'etc/new/plain': 'plain' });
    const daemon = await pair.startActive();
    assert.equal((await pair.flush()).code, 0);

    const make: Record<string, (path: string) => void> = {
      fifo: (path) => void execFileSync('mkfifo', [path]),
      socket: (path) => void execFileSync('python3', ['-c', bindSocket, path]),
      null: (path) => void execFileSync('mknod', [path, 'c', '1', '3']),
      loop: (path) => void execFileSync('mknod', [path, 'b', '7', '200']),
    };
    for (const folder of ['was-file', 'new']) {
      for (const name of names) {
        make[name]?.(pair.at('active', `/etc/${folder}/${name}.made`));
        renameSync(
          pair.at('active', `/etc/${folder}/${name}.made`),
          pair.at('active', `/etc/${folder}/${name}`),
        );
      }
    }
    writeFileSync(pair.at('active', '/etc/new/plain'), 'changed');
    const flushed = await pair.flush();
    assert.equal(flushed.code, 0, flushed.stdout);
    const status = await pair.json('active', ['status']);
    const skipped = (status['troubles'] as { path: string; reason: string; detail: string }[]).map(
      ({ path, reason, detail }) => `${path}: ${reason}, ${detail}`,
    );
    for (const [name, type] of [
      ['fifo', 'fifo'],
      ['socket', 'socket'],
      ['null', 'character-device'],
      ['loop', 'block-device'],
    ] as const) {
      for (const folder of ['was-file', 'new'])
        assert.ok(
          skipped.includes(`/etc/${folder}/${name}: unsupported-type, a ${type} is not replicated`),
          skipped.join('\n'),
        );
      assert.match(daemon.log(), new RegExp(`path-failed: /etc/new/${name}: unsupported-type`));
      assert.equal(readFileSync(pair.at('passive', `/etc/was-file/${name}`), 'utf8'), `file ${name}`);
    }
    assert.deepEqual(readdirSync(pair.at('passive', '/etc/new')), ['plain']);
    assert.equal(readFileSync(pair.at('passive', '/etc/new/plain'), 'utf8'), 'changed');

    await daemon.stop();
    const again = await pair.startActive();
    assert.equal((await pair.flush()).code, 0);
    assert.equal(readFileSync(pair.at('passive', '/etc/was-file/fifo'), 'utf8'), 'file fifo', again.log());
    const verified = await pair.run('active', ['verify']);
    assert.match(verified.stdout, /skipped {2}\/etc\/new\/fifo \(on the active node: unsupported-type/);
  });

  it('stays on the passive, where a push of a file to its path is refused', async () => {
    await using pair = await Pair.open();
    execFileSync('mkfifo', [pair.at('passive', '/etc/pipe')]);
    write(pair.root('active'), { 'etc/pipe': 'a file', 'etc/plain': 'plain' });
    await pair.startActive();
    await pair.flush();
    writeFileSync(pair.at('active', '/etc/pipe'), 'changed');
    const flushed = await pair.flush();
    assert.match(flushed.stdout, /held back: \/etc\/pipe for mail2: unsupported-type, found a fifo/);
    assert.equal(readFileSync(pair.at('passive', '/etc/plain'), 'utf8'), 'plain');
    execFileSync('test', ['-p', pair.at('passive', '/etc/pipe')]);
  });
});

const bindSocket = 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])';

describe('what may not be read', () => {
  it('is told as a problem of permission and never as absent', async () => {
    const root = temporaryFolder('unreadable');
    try {
      write(root, {
        'etc/open': 'open',
        'etc/secret': { content: 'secret', mode: 0o600 },
        'etc/locked/in': 'in',
      });
      for (const folder of [root, join(root, 'etc')]) chmodSync(folder, 0o755);
      chmodSync(join(root, 'etc/open'), 0o644);
      chmodSync(join(root, 'etc/locked'), 0o700);
      const module = (file: string) =>
        JSON.stringify(fileURLToPath(new URL(`../../src/${file}`, import.meta.url)));
      const script = `
        import { Tree } from ${module('active/tree.ts')};
        import { initialiseHash } from ${module('files/hash.ts')};
        await initialiseHash();
        const none = () => undefined;
        const cache = { get: none, packed: none, learn: none, set: none, delete: none, folder: none, keep: none, retain: none, commit: none };
        const watchlists = { roots: ['/etc'], includes: () => true, mayContain: () => true, impliedDirectory: () => false };
        const tree = new Tree({ root: process.argv[1], watchlists, cache, maxFileSizeBytes: 1e6 });
        const seen = {};
        for await (const slice of tree.walk()) for (const { path, observation } of slice) seen[path] = observation;
        seen.looked = tree.observe('/etc/locked/in');
        const file = { kind: 'file', digest: '0'.repeat(64), size: 6, mode: 0o600, owner: 'root', group: 'root', mtime: '1.000000000', xattrs: {} };
        seen.content = String(tree.content('/etc/secret', { kind: 'absent' }, file));
        console.log(JSON.stringify(seen));`;
      const child = spawn(
        'setpriv',
        [
          '--reuid=65534',
          '--regid=65534',
          '--clear-groups',
          '--inh-caps=-all',
          '--bounding-set=-all',
          process.execPath,
          '--input-type=module',
          '-e',
          script,
          root,
        ],
        { stdio: ['ignore', 'pipe', 'inherit'], cwd: '/' },
      );
      let said = '';
      child.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
      await once(child, 'close');
      assert.equal(child.exitCode, 0);
      const seen = JSON.parse(said) as Record<
        string,
        { kind: string; failure?: { reason: string; detail: string } }
      >;
      assert.equal(seen['/etc/open']?.kind, 'entry');
      for (const path of ['/etc/secret', '/etc/locked', 'looked']) {
        assert.equal(seen[path]?.kind, 'failed', path);
        assert.equal(seen[path]?.failure?.reason, 'permission', path);
      }
      assert.match(seen['/etc/secret']?.failure?.detail ?? '', /EACCES: open \/etc\/secret/);
      assert.equal(seen['content'], 'undefined');
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});
