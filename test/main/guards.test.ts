import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { versionsOf } from '../world/kept.ts';
import { Pair, type Running } from '../world/pair.ts';
import { write } from '../world/tree.ts';

function numbered(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`etc/f${n}`, `${n}\n`]));
}

async function halted(daemon: Running, reason: string): Promise<void> {
  await eventually(`it halts: ${reason}`, () => daemon.log().includes(`halted: ${reason}`), {
    detail: daemon.log,
  });
}

async function assertHalted(pair: Pair, shows: RegExp): Promise<void> {
  const status = await pair.run('active', ['status']);
  assert.equal(status.code, 5, status.stdout);
  assert.match(status.stdout, shows);
}

describe('a disaster on the active node', () => {
  let pair: Pair;
  let daemon: Running;
  const files = 40;
  before(async () => {
    pair = await Pair.open();
    write(pair.root('active'), numbered(files));
    daemon = await pair.startActive();
    assert.equal((await pair.flush()).code, 0);
  });
  after(() => pair[Symbol.asyncDispose]());

  /** Both hold the same. The times of files that were put back are their own. */
  async function assertInSync(): Promise<void> {
    assert.equal((await pair.flush()).code, 0);
    const verified = await pair.run('active', ['verify']);
    assert.equal(verified.code, 0, verified.stdout);
  }

  function assertUntouched(): void {
    assert.equal(readdirSync(pair.at('passive', 'etc')).length, files);
  }

  it('a mass deletion: resume without leave halts again; with the files back it goes on', async () => {
    for (let n = 0; n < 30; n += 1) unlinkSync(pair.at('active', `etc/f${n}`));
    await halted(daemon, 'mass-deletion');
    await assertHalted(pair, /HALTED: .*30/);
    const again = await pair.run('active', ['resume']);
    assert.equal(again.code, 5, again.stdout + again.stderr);
    assert.match(again.stderr, /resume --allow-deletes/);
    assertUntouched();

    write(pair.root('active'), numbered(files));
    const resumed = await pair.run('active', ['resume']);
    assert.equal(resumed.code, 0, resumed.stderr);
    await assertInSync();
  });

  it('while it is halted no other change is replicated either, resync and resolve are refused, and nothing is lost', async () => {
    for (let n = 0; n < 30; n += 1) unlinkSync(pair.at('active', `etc/f${n}`));
    await eventually('it halts', async () => (await pair.run('active', ['status'])).code === 5);
    writeFileSync(pair.at('active', 'etc/f35'), 'changed meanwhile\n');
    for (const command of [
      ['flush'],
      ['resync', '--yes'],
      ['conflicts', 'resolve', 'x', '--take', 'active'],
    ]) {
      const ran = await pair.run('active', command);
      assert.equal(ran.code, 5, `${command.join(' ')}: ${ran.stdout}${ran.stderr}`);
    }
    assertUntouched();
    assert.equal(readFileSync(pair.at('passive', 'etc/f35'), 'utf8'), '35\n');
    const { halt } = (await pair.json('active', ['status'])) as { halt: string };
    assert.match(halt, /30/);

    const resumed = await pair.run('active', ['resume', '--allow-deletes']);
    assert.equal(resumed.code, 0, resumed.stderr);
    await assertInSync();
    const [kept] = versionsOf(pair, 'passive', '/etc/f0');
    assert.deepEqual([kept?.reason, kept?.content], ['removed', '0\n']);
  });

  it('a root that is empty, as when its disk is not mounted, also after a restart of the daemon', async () => {
    write(pair.root('active'), numbered(files));
    assert.equal((await pair.flush()).code, 0);
    await daemon.stop();
    renameSync(pair.at('active', 'etc'), pair.at('active', 'unmounted'));
    mkdirSync(pair.at('active', 'etc'));
    daemon = pair.spawnDaemon('active');
    await halted(daemon, 'emptied-root');
    await assertHalted(pair, /HALTED: .*\/etc/);
    assertUntouched();
    const again = await pair.run('active', ['resume']);
    assert.equal(again.code, 5, again.stdout);
    assertUntouched();

    rmSync(pair.at('active', 'etc'), { recursive: true });
    renameSync(pair.at('active', 'unmounted'), pair.at('active', 'etc'));
    assert.equal((await pair.run('active', ['resume'])).code, 0);
    await assertInSync();
  });

  it('a root that goes while the daemon runs: nothing of it is removed on the passive', async () => {
    renameSync(pair.at('active', 'etc'), pair.at('active', 'unmounted'));
    await eventually('it halts', async () => (await pair.run('active', ['status'])).code === 5, {
      detail: daemon.log,
    });
    assertUntouched();
    renameSync(pair.at('active', 'unmounted'), pair.at('active', 'etc'));
    assert.equal((await pair.run('active', ['resume'])).code, 0);
    await assertInSync();
  });
});

describe('what the passive node does not take', () => {
  it('a file while its disk is nearly full, or above its own limit: named on the active, the old one stays', async () => {
    await using pair = await Pair.open({
      passive: { limits: { minFreeDisk: '1000TiB', maxFileSize: '4KiB' } },
    });
    write(pair.root('active'), { 'etc/small.conf': 's\n', 'etc/large.conf': 'x'.repeat(5000) });
    write(pair.root('passive'), { 'etc/small.conf': 'old\n' });
    const daemon = await pair.startActive();
    rmSync(pair.at('passive', 'etc/small.conf'));
    writeFileSync(pair.at('active', 'etc/small.conf'), 'new\n');
    await eventually('both are told', () => /small\.conf.*low-disk/.test(daemon.log()), {
      detail: daemon.log,
    });
    const { peers } = (await pair.json('active', ['status'])) as {
      peers: { troubles: { path: string; reason: string; detail: string }[] }[];
    };
    const reasons = peers[0]?.troubles.map(({ path, reason }) => `${path} ${reason}`).sort();
    assert.deepEqual(reasons, ['/etc/large.conf too-large', '/etc/small.conf low-disk']);
    const shown = await pair.run('active', ['status']);
    assert.match(shown.stdout, /not sent: \/etc\/small\.conf: low-disk, .*(bytes|free)/);
    const flushed = await pair.run('active', ['flush', '--timeout', '500ms']);
    assert.notEqual(flushed.code, 0, flushed.stdout);
    assert.deepEqual(readdirSync(pair.at('passive', 'etc')), []);
  });
});
