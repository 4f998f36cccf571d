import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { Pair, type Running } from '../world/pair.ts';
import { differences, leftovers } from '../world/tree.ts';

const changes = 2000;
const unguarded = { massDeletion: { paths: 1_000_000, percent: 100 } };

/** Writes half of the files anew in place, and replaces the others. */
function burst(root: string, text: string): void {
  for (let n = 0; n < changes; n += 1) {
    const folder = join(root, 'etc', `d${n % 40}`);
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `f${n}`);
    if (n % 2 === 0) writeFileSync(file, `${text} ${n}\n`);
    else {
      writeFileSync(`${file}.new`, `${text} ${n}\n`);
      renameSync(`${file}.new`, file);
    }
  }
}

/** Files that are neither as one burst nor as another wrote them. Temporary files are not looked at. */
function torn(root: string): string[] {
  const found: string[] = [];
  for (let n = 0; n < changes; n += 1) {
    const content = readFileSync(join(root, 'etc', `d${n % 40}`, `f${n}`), 'utf8');
    if (!new RegExp(`^(first|round \\d) ${n}\n$`).test(content)) found.push(`f${n}: ${content}`);
  }
  return found;
}

function pushed(log: string): number {
  return log.split(' pushed: ').length - 1;
}

describe('kill -9 in the middle of a burst', () => {
  let pair: Pair;
  let daemon: Running;
  before(async () => {
    pair = await Pair.open({ active: { limits: unguarded } });
    burst(pair.root('active'), 'first');
    daemon = await pair.startActive();
    assert.equal((await pair.flush()).code, 0);
  });
  after(() => pair[Symbol.asyncDispose]());

  /** Writes all files anew, and returns while they are being sent. */
  async function beginBurst(text: string): Promise<void> {
    const before = pushed(daemon.log());
    burst(pair.root('active'), text);
    await eventually('some changes were pushed', () => pushed(daemon.log()) > before + 100);
  }

  async function assertSame(): Promise<void> {
    const flushed = await pair.flush();
    assert.equal(flushed.code, 0, flushed.stdout + flushed.stderr + daemon.log().slice(-2000));
    assert.equal(differences(pair.root('active'), pair.root('passive')), '');
    assert.equal(leftovers(pair.root('passive')), '');
  }

  it('of the receiver, again and again: the daemon comes back by itself, and both trees are the same', async () => {
    for (let round = 0; round < 3; round += 1) {
      await beginBurst(`round ${round}`);
      pair.killReceivers();
      assert.deepEqual(torn(pair.root('passive')), [], 'each file is the old one or the new one, whole');
    }
    await assertSame();
  });

  it('of the link: the daemon reconnects and what changed meanwhile arrives', async () => {
    const before = daemon.log().length;
    await pair.sshd.pause();
    await eventually('the daemon noticed', () => daemon.log().slice(before).includes('disconnected'));
    writeFileSync(pair.at('active', 'etc/while-down'), 'x');
    await pair.sshd.restart();
    await assertSame();
    assert.equal(readFileSync(pair.at('passive', 'etc/while-down'), 'utf8'), 'x');
  });

  it('of the active daemon: after a restart both trees are the same, and nothing temporary is left', async () => {
    await beginBurst('last');
    await daemon.kill9();
    daemon = await pair.startActive();
    await assertSame();
    assert.equal((await pair.run('active', ['verify', '--full'])).code, 0);
  });
});
