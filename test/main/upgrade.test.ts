import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { openDatabase } from '../../src/state/database.ts';
import { SwitchStore } from '../../src/state/switch.ts';
import { eventually } from '../world/eventually.ts';
import { holdLock } from '../world/lock.ts';
import { type NodeName, Pair, type Running } from '../world/pair.ts';
import { differences, write } from '../world/tree.ts';

function put(pair: Pair, path: string, texts: { active?: string; passive?: string }): void {
  for (const node of ['active', 'passive'] as const) {
    const text = texts[node];
    if (text !== undefined) writeFileSync(pair.at(node, path), text);
  }
}

function read(pair: Pair, node: NodeName, path: string): string {
  return readFileSync(pair.at(node, path), 'utf8');
}

describe('an upgrade with the HA switch', () => {
  let pair: Pair;
  let active: Running;
  before(async () => {
    pair = await Pair.open({ mutual: true });
    write(pair.root('active'), {
      'etc/same.conf': '1\n',
      'etc/different.conf': '1\n',
      'etc/only-active.conf': '1\n',
      'etc/only-passive.conf': '1\n',
      'etc/gone-on-both.conf': '1\n',
      'etc/quiet.conf': '1\n',
    });
    const passive = pair.spawnDaemon('passive');
    active = await pair.startActive();
    assert.equal((await pair.flush()).code, 0);
    await eventually('the passive’s daemon watches', () => passive.log().includes('watching'));
  });
  after(() => pair[Symbol.asyncDispose]());

  it('disable turns both nodes off, with who, why and since when', async () => {
    const ran = await pair.run('active', ['ha', 'disable', '--reason', 'upgrade to 5.2']);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /HA is disabled on mail1 and mail2/);
    for (const node of ['active', 'passive'] as const) {
      const shown = await pair.run(node, ['ha', 'status']);
      assert.match(shown.stdout, /disabled.*upgrade to 5\.2/);
      assert.match(shown.stdout, /by .*, since/);
      const status = (await pair.json(node, ['status'])) as { ha: { state: string; reason: string } };
      assert.deepEqual([status.ha.state, status.ha.reason], ['disabled', 'upgrade to 5.2']);
    }
  });

  it('nothing is sent or overwritten meanwhile, also after a restart of the daemon', async () => {
    put(pair, 'etc/same.conf', { active: '2\n', passive: '2\n' });
    put(pair, 'etc/different.conf', { active: '2a\n', passive: '2p\n' });
    put(pair, 'etc/only-active.conf', { active: '2\n' });
    put(pair, 'etc/only-passive.conf', { passive: '2\n' });
    for (const node of ['active', 'passive'] as const) rmSync(pair.at(node, 'etc/gone-on-both.conf'));
    await active.stop();
    active = pair.spawnDaemon('active');
    await eventually('the daemon says that it sends nothing', () => active.log().includes('nothing is sent'));
    put(pair, 'etc/new-on-active.conf', { active: 'n\n' });
    await pause(700);
    assert.ok(!existsSync(pair.at('passive', 'etc/new-on-active.conf')));
    assert.equal(read(pair, 'passive', 'etc/different.conf'), '2p\n');
    assert.equal(read(pair, 'passive', 'etc/only-active.conf'), '1\n');
  });

  it('verify, status and history work; resync, restore and resolve are refused with exit 4 and why', async () => {
    const verified = await pair.run('active', ['verify']);
    assert.equal(verified.code, 1, verified.stderr);
    assert.match(verified.stdout, /only-active\.conf/);
    assert.equal((await pair.run('active', ['history', '/etc/same.conf'])).code, 0);
    for (const command of [
      ['resync', '--yes'],
      ['restore', '/etc/same.conf', '--version', '0123456789'],
      ['conflicts', 'resolve', '0123456789', '--take', 'active'],
    ]) {
      const ran = await pair.run('active', command);
      assert.equal(ran.code, 4, `${command.join(' ')}: ${ran.stdout}${ran.stderr}`);
      assert.match(ran.stderr, /HA is disabled.*upgrade to 5\.2/);
      assert.match(ran.stderr, /ha enable/);
    }
  });

  it('enable reports what converged, what was pushed and what is in conflict', async () => {
    const ran = await pair.run('active', ['ha', 'enable']);
    assert.equal(ran.code, 1, ran.stdout + ran.stderr);
    assert.match(ran.stdout, /HA is enabled on mail1 and mail2/);
    assert.match(
      ran.stdout,
      /mail2: \d+ paths compared: 2 changed alike on both, 2 pushed, 2 in conflict, 0 held back/,
    );
    assert.equal(read(pair, 'passive', 'etc/only-active.conf'), '2\n');
    assert.equal(read(pair, 'passive', 'etc/new-on-active.conf'), 'n\n');
    assert.equal(read(pair, 'passive', 'etc/different.conf'), '2p\n');
    assert.equal(read(pair, 'active', 'etc/different.conf'), '2a\n');
    assert.equal(read(pair, 'passive', 'etc/only-passive.conf'), '2\n');
    const listed = await pair.run('active', ['conflicts']);
    assert.match(listed.stdout, /different\.conf/);
    assert.match(listed.stdout, /only-passive\.conf/);
  });

  it('disable and enable from the passive work too, and --for ends by itself', async () => {
    const off = await pair.run('passive', ['ha', 'disable', '--reason', 'short', '--for', '6s']);
    assert.equal(off.code, 0, off.stderr);
    put(pair, 'etc/quiet.conf', { active: '2\n' });
    const on = (await pair.json('active', ['ha', 'status'])) as { state: string; until: number };
    assert.equal(on.state, 'disabled');
    await eventually('it is over', () => {
      using database = openDatabase(pair.state('active'));
      return new SwitchStore(database).read(Date.now()).state === 'enabled';
    });
    await eventually('what waited is sent', () => read(pair, 'passive', 'etc/quiet.conf') === '2\n');
    await pair.run('active', ['ha', 'disable', '--reason', 'again']);
    const enabled = await pair.run('passive', ['ha', 'enable']);
    assert.match(enabled.stdout, /HA is enabled on mail2 and mail1/);
    assert.match(enabled.stdout, /mail2: \d+ paths compared/);
  });

  it('--local turns one node off; the other is refused and keeps what it could not send', async () => {
    await pair.run('passive', ['ha', 'disable', '--local', '--reason', 'here']);
    put(pair, 'etc/quiet.conf', { active: '3\n' });
    await eventually('the refusal is in the log', () => /refused.*ha-disabled/.test(active.log()), {
      detail: active.log,
    });
    const status = (await pair.json('active', ['status'])) as { ha: { state: string } };
    assert.equal(status.ha.state, 'enabled');
    assert.equal(read(pair, 'passive', 'etc/quiet.conf'), '2\n');
    await pair.run('passive', ['ha', 'enable', '--local']);
    await eventually('what waited is sent', () => read(pair, 'passive', 'etc/quiet.conf') === '3\n');
  });

  it('a peer that cannot be told is named, with what to do there', async () => {
    await pair.sshd.pause();
    const off = await pair.run('active', ['ha', 'disable', '--reason', 'net']);
    assert.equal(off.code, 3, off.stdout);
    assert.match(off.stderr, /mail2 could not be told/);
    assert.match(off.stderr, /ha disable --local/);
    await pair.sshd.restart();
    await pair.run('active', ['ha', 'enable']);
  });

  for (const node of ['active', 'passive'] as const) {
    it(`while dpkg holds its lock on the ${node} node nothing is replicated, and status says so`, async () => {
      const folder = pair.at(node, 'var/lib/dpkg');
      mkdirSync(folder, { recursive: true });
      const file = `${folder}/lock-frontend`;
      writeFileSync(file, '');
      const text = `${node} ${Date.now()}\n`;
      const held = await holdLock(file);
      try {
        // An answer about the lock is good for 50 ms (files/package-lock.ts), and the node may have asked just now.
        await pause(100);
        put(pair, 'etc/quiet.conf', { active: text });
        const status = (await pair.json(node, ['status'])) as { ha: { state: string; reason: string } };
        assert.equal(status.ha.state, 'disabled');
        assert.match(status.ha.reason, /dpkg .*lock-frontend/);
        await pause(700);
        assert.notEqual(read(pair, 'passive', 'etc/quiet.conf'), text);
      } finally {
        await held.release();
      }
      await eventually('what waited is sent', () => read(pair, 'passive', 'etc/quiet.conf') === text, {
        detail: active.log,
      });
      // The lock's file is still there: it is the lock that counts.
      assert.ok(existsSync(file));
    });
  }

  it('in the end both trees differ only in what is in conflict', async () => {
    await pair.flush();
    const left = differences(pair.root('active'), pair.root('passive'), [
      'var',
      'different.conf',
      'only-passive.conf',
    ]);
    assert.equal(left, '');
  });
});
