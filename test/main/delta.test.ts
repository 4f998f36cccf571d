import assert from 'node:assert/strict';
import { createHash, randomFillSync } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { conflictsOn } from '../world/kept.ts';
import { Pair, type Running } from '../world/pair.ts';
import { differences } from '../world/tree.ts';

const mebibyte = 1024 * 1024;
const large = 'etc/large.db';

function digestOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

function writeAt(file: string, at: number, bytes: Buffer): void {
  const fd = openSync(file, 'r+');
  writeSync(fd, bytes, 0, bytes.byteLength, at);
  closeSync(fd);
}

describe('a large file that changes', () => {
  let pair: Pair;
  let counter: string;
  let daemon: Running;
  before(async () => {
    // All that comes to the receiver passes a counter.
    pair = await Pair.open({
      wrapReceive: (command) => `tee -a ${'$'}{TMPDIR:-/tmp}/bm-confsync-counted-${process.pid} | ${command}`,
      active: { limits: { minFreeDisk: 1, maxFileSize: '1GiB' } },
      passive: { limits: { minFreeDisk: 1, maxFileSize: '1GiB' } },
    });
    counter = join(process.env['TMPDIR'] ?? '/tmp', `bm-confsync-counted-${process.pid}`);
    writeFileSync(counter, '');
    writeFileSync(pair.at('active', large), randomFillSync(Buffer.alloc(64 * mebibyte)));
    daemon = await pair.startActive();
    await pair.flush();
  });
  after(async () => {
    await pair[Symbol.asyncDispose]();
    rmSync(counter);
  });

  /** Bytes that came to the passive until it had what the active has. */
  async function bytesFor(change: () => void): Promise<number> {
    truncateSync(counter);
    const before = statSync(counter).size;
    change();
    const wanted = digestOf(pair.at('active', large));
    await eventually('the passive has it', () => digestOf(pair.at('passive', large)) === wanted, {
      detail: daemon.log,
    });
    return statSync(counter).size - before;
  }

  it('travels as a whole when the peer has nothing like it', () => {
    assert.equal(differences(pair.root('active'), pair.root('passive')), '');
    assert.ok(statSync(counter).size > 64 * mebibyte);
  });

  const changes: readonly [string, () => void, number][] = [
    [
      'one mebibyte in the middle',
      () => writeAt(pair.at('active', large), 31 * mebibyte + 5000, randomFillSync(Buffer.alloc(mebibyte))),
      1.3 * mebibyte,
    ],
    ['an append', () => appendFileSync(pair.at('active', large), 'one line more\n'), 0.1 * mebibyte],
    [
      'something inserted at the beginning, by a save',
      () => {
        const content = readFileSync(pair.at('active', large));
        writeFileSync(
          `${pair.at('active', large)}.new`,
          Buffer.concat([Buffer.from('first line\n'), content]),
        );
        renameSync(`${pair.at('active', large)}.new`, pair.at('active', large));
      },
      0.2 * mebibyte,
    ],
    ['a cut at the end', () => truncateSync(pair.at('active', large), 40 * mebibyte + 17), 0.1 * mebibyte],
    [
      'other bytes all over',
      () => writeFileSync(pair.at('active', large), randomFillSync(Buffer.alloc(3 * mebibyte))),
      3.2 * mebibyte,
    ],
    ['a size that pays no more', () => truncateSync(pair.at('active', large), 1000), 0.1 * mebibyte],
  ];
  for (const [what, change, most] of changes) {
    it(`${what}: at most ${(most / mebibyte).toFixed(1)} MiB travel`, async () => {
      const bytes = await bytesFor(change);
      assert.ok(bytes <= most, `${bytes} bytes`);
    });
  }

  it('that the passive changed meanwhile is a conflict, and stays as it is', async () => {
    await bytesFor(() => writeFileSync(pair.at('active', large), randomFillSync(Buffer.alloc(8 * mebibyte))));
    writeAt(pair.at('passive', large), 5, Buffer.from('edited here'));
    const edited = digestOf(pair.at('passive', large));
    writeAt(pair.at('active', large), mebibyte, Buffer.from('edited there'));
    await eventually('it is a conflict', () =>
      conflictsOn(pair, 'active').some(({ path }) => path === `/${large}`),
    );
    assert.equal(digestOf(pair.at('passive', large)), edited);
    const taken = await pair.run('active', ['resync', '--yes', `/${large}`]);
    assert.equal(taken.code, 0, taken.stdout + taken.stderr);
    assert.equal(digestOf(pair.at('passive', large)), digestOf(pair.at('active', large)));
  });

  it('lets a small change overtake it', async () => {
    writeFileSync(pair.at('active', large), randomFillSync(Buffer.alloc(256 * mebibyte)));
    const before = statSync(pair.at('passive', large)).size;
    await eventually('the large one is on its way', () => statSync(counter).size > 20 * mebibyte);
    writeFileSync(pair.at('active', 'etc/small.conf'), 'quick\n');
    await eventually('the small one is there', () => existsSync(pair.at('passive', 'etc/small.conf')), {
      pollMs: 5,
    });
    const meanwhile = statSync(pair.at('passive', large)).size;
    assert.equal(meanwhile, before, 'the large one came first');
    const wanted = digestOf(pair.at('active', large));
    await eventually('the large one comes too', () => digestOf(pair.at('passive', large)) === wanted);
  });
});
