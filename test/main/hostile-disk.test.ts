import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { Pair, type Running } from '../world/pair.ts';
import { differences, leftovers, write } from '../world/tree.ts';
import { Mount } from './hostile-mount.ts';

const mebibyte = 1024 * 1024;

function reported(daemon: Running, pattern: RegExp): Promise<void> {
  return eventually(`the log says ${pattern}`, () => pattern.test(daemon.log()), {
    detail: () => daemon.log().slice(-3000),
  });
}

/** Until the growing pauses between attempts let it through. */
function arrives(pair: Pair, path: string, content: string | Buffer, daemon: Running): Promise<void> {
  const file = pair.at('passive', path);
  return eventually(
    `${path} arrives`,
    () => existsSync(file) && readFileSync(file).equals(Buffer.from(content)),
    { deadlineMs: 60_000, detail: () => daemon.log().slice(-3000) },
  );
}

describe('a full disk on the passive', () => {
  it('is reported for the file that does not fit; small files arrive, and the file itself after space is freed', async () => {
    await using pair = await Pair.open({ exclude: ['/etc/full/.ballast'] });
    write(pair.root('active'), { 'etc/full/first.conf': 'first' });
    mkdirSync(pair.at('passive', '/etc/full'));
    using _ = Mount.inMemory(pair.at('passive', '/etc/full'), 'size=2m');
    const ballast = pair.at('passive', '/etc/full/.ballast');
    writeFileSync(ballast, Buffer.alloc(mebibyte));
    const daemon = await pair.startActive();
    await arrives(pair, '/etc/full/first.conf', 'first', daemon);

    const big = Buffer.alloc(1.5 * mebibyte, 'b');
    writeFileSync(pair.at('active', '/etc/full/big.bin'), big);
    await reported(daemon, /path-failed: \/etc\/full\/big\.bin on mail2: (low-disk|no-space): .*free/);
    write(pair.root('active'), { 'etc/full/small.conf': 'small', 'etc/elsewhere.conf': 'elsewhere' });
    await arrives(pair, '/etc/full/small.conf', 'small', daemon);
    await arrives(pair, '/etc/elsewhere.conf', 'elsewhere', daemon);
    assert.ok(!existsSync(pair.at('passive', '/etc/full/big.bin')));
    assert.equal(leftovers(pair.root('passive')), '');
    const status = await pair.run('active', ['status']);
    assert.match(
      status.stdout,
      /not sent: \/etc\/full\/big\.bin: (low-disk|no-space), expected .* found .* free/,
    );

    rmSync(ballast);
    await arrives(pair, '/etc/full/big.bin', big, daemon);
    assert.doesNotMatch((await pair.run('active', ['status'])).stdout, /not sent/);
  });

  it('tears nothing when it fills up in the middle of several files, and keeps what was there', async () => {
    await using pair = await Pair.open();
    mkdirSync(pair.at('active', '/etc/full'));
    mkdirSync(pair.at('passive', '/etc/full'));
    using _ = Mount.inMemory(pair.at('passive', '/etc/full'), 'size=3m');
    const names = ['a', 'b', 'c', 'd'];
    for (const name of names) writeFileSync(pair.at('active', `/etc/full/${name}`), `old ${name}`);
    const daemon = await pair.startActive();
    for (const name of names) await arrives(pair, `/etc/full/${name}`, `old ${name}`, daemon);

    // Each fits when it begins; together they do not.
    const large = Buffer.alloc(2 * mebibyte, 'x');
    for (const name of names) writeFileSync(pair.at('active', `/etc/full/${name}`), large);
    await reported(daemon, /path-failed: \/etc\/full\/. on mail2: (no-space|low-disk): /);
    for (const name of names) {
      const found = readFileSync(pair.at('passive', `/etc/full/${name}`));
      assert.ok(found.equals(large) || found.toString() === `old ${name}`, `${name} is torn`);
    }
    // On the active somebody cleans up; what is left now fits.
    for (const name of names) writeFileSync(pair.at('active', `/etc/full/${name}`), `new ${name}`);
    for (const name of names) await arrives(pair, `/etc/full/${name}`, `new ${name}`, daemon);
    // It is tried again and again: a temporary name may be there for the moment of an attempt.
    await eventually('no temporary name stays', () => leftovers(pair.root('passive')) === '');
  });

  it('is reported when there is no inode left, for files, directories and links', async () => {
    await using pair = await Pair.open({ exclude: ['/etc/full/.ballast'] });
    mkdirSync(pair.at('active', '/etc/full'));
    mkdirSync(pair.at('passive', '/etc/full'));
    using _ = Mount.inMemory(pair.at('passive', '/etc/full'), 'size=2m,nr_inodes=2');
    writeFileSync(pair.at('passive', '/etc/full/.ballast'), '');
    const daemon = await pair.startActive();
    write(pair.root('active'), {
      'etc/full/file': 'file',
      'etc/full/directory': { directory: true },
      'etc/full/link': { symlink: 'x' },
    });
    for (const name of ['file', 'directory', 'link'])
      await reported(daemon, new RegExp(`path-failed: /etc/full/${name} on mail2: no-space: `));
    assert.deepEqual(readdirSync(pair.at('passive', '/etc/full')), ['.ballast']);
  });
});

describe('a read-only file system on the passive', () => {
  it('is reported as such, the rest goes on, and everything arrives when it is writable again', async () => {
    await using pair = await Pair.open();
    write(pair.root('active'), {
      'etc/ro/changed.conf': 'old',
      'etc/ro/removed.conf': 'old',
      'etc/ro/mode.conf': { content: 'x', mode: 0o644 },
    });
    const daemon = await pair.startActive();
    assert.equal((await pair.flush()).code, 0);
    using mount = Mount.bind(pair.at('passive', '/etc/ro'));
    mount.remount('ro');

    write(pair.root('active'), {
      'etc/ro/changed.conf': 'new',
      'etc/ro/created.conf': 'new',
      'etc/ro/directory/inside.conf': 'new',
      'etc/ro/mode.conf': { content: 'x', mode: 0o600 },
      'etc/rw.conf': 'new',
    });
    rmSync(pair.at('active', '/etc/ro/removed.conf'));
    for (const name of ['changed.conf', 'created.conf', 'directory', 'mode.conf', 'removed.conf'])
      await reported(daemon, new RegExp(`path-failed: /etc/ro/${name} on mail2: read-only: `));
    await arrives(pair, '/etc/rw.conf', 'new', daemon);
    assert.equal(readFileSync(pair.at('passive', '/etc/ro/changed.conf'), 'utf8'), 'old');
    assert.match(
      (await pair.run('active', ['status'])).stdout,
      /not sent: \/etc\/ro\/created\.conf: read-only/,
    );

    mount.remount('rw');
    const root = join(pair.root('active'), 'etc');
    await eventually('both are the same', () => differences(root, join(pair.root('passive'), 'etc')) === '', {
      deadlineMs: 60_000,
      detail: () => daemon.log().slice(-3000),
    });
    assert.equal(leftovers(pair.root('passive')), '');
    assert.equal((await pair.json('active', ['status']))['conflicts'], 0);
  });
});
