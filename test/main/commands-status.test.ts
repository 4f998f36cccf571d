import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Pair, type Running } from '../world/pair.ts';
import { write } from '../world/tree.ts';

/** The keys that `status --json` has at the least. */
function assertStatusKeys(found: Record<string, unknown>): void {
  for (const key of ['node', 'role', 'epoch', 'ha', 'peers', 'conflicts', 'halt', 'watching'])
    assert.ok(key in found, key);
  for (const key of ['state', 'reason', 'since']) assert.ok(key in (found['ha'] as object), `ha.${key}`);
  for (const key of ['paths', 'directories'])
    assert.equal(typeof (found['watching'] as Record<string, unknown>)[key], 'number', `watching.${key}`);
  for (const peer of found['peers'] as Record<string, unknown>[])
    for (const key of ['name', 'connected', 'pending', 'lastAckAt', 'lagMs'])
      assert.ok(key in peer, `peers.${key}`);
}

function peerOf(found: Record<string, unknown>): Record<string, unknown> {
  return (found['peers'] as Record<string, unknown>[])[0] ?? {};
}

describe('status, flush and explain with the daemon', () => {
  let pair: Pair;
  let daemon: Running;
  before(async () => {
    pair = await Pair.open({ exclude: ['/etc/private'] });
    write(pair.root('active'), { 'etc/a.conf': 'a\n', 'etc/d/b.conf': 'b\n', 'etc/held.conf': 'ours\n' });
    write(pair.root('passive'), { 'etc/held.conf': 'theirs\n' });
    daemon = await pair.startActive();
  });
  after(() => pair[Symbol.asyncDispose]());

  it('flush returns only when the passive has what was changed', async () => {
    for (let n = 0; n < 5; n += 1) {
      writeFileSync(pair.at('active', 'etc/a.conf'), `round ${n}\n`);
      const ran = await pair.run('active', ['flush', '/etc/a.conf', '--timeout', '20s']);
      assert.ok(ran.code === 0 || ran.stdout.includes('/etc/held.conf'), `${ran.stdout}${ran.stderr}`);
      assert.equal(readFileSync(pair.at('passive', 'etc/a.conf'), 'utf8'), `round ${n}\n`);
    }
  });

  it('flush names what is held back, and exits 1', async () => {
    const ran = await pair.run('active', ['flush', '--json']);
    assert.equal(ran.code, 1, ran.stderr);
    const { flushed, held } = JSON.parse(ran.stdout) as {
      flushed: boolean;
      held: { path: string; reason: string }[];
    };
    assert.equal(flushed, false);
    assert.deepEqual(
      held.map(({ path, reason }) => [path, reason]),
      [['/etc/held.conf', 'first-sync']],
    );
    assert.equal(readFileSync(pair.at('passive', 'etc/held.conf'), 'utf8'), 'theirs\n');
  });

  it('status has the keys that other programs read', async () => {
    await pair.flush();
    const found = await pair.json('active', ['status']);
    assertStatusKeys(found);
    assert.deepEqual(
      [found['node'], found['role'], found['epoch'], found['halt']],
      ['mail1', 'active', 1, null],
    );
    assert.deepEqual(found['ha'], { state: 'enabled', reason: null, since: null });
    assert.equal(found['conflicts'], 1);
    const peer = peerOf(found);
    assert.deepEqual([peer['name'], peer['connected'], peer['pending']], ['mail2', true, 0]);
    assert.ok(Number(peer['lastAckAt']) > 1_000_000_000_000, 'milliseconds since 1970');
    assert.equal(typeof peer['lagMs'], 'number');
  });

  it('status exits 1 while a conflict waits, and says what to do', async () => {
    const ran = await pair.run('active', ['status']);
    assert.equal(ran.code, 1, ran.stderr);
    assert.match(ran.stdout, /^mail1: active, epoch 1, HA enabled$/m);
    assert.match(ran.stdout, /^peer mail2: live, 0 paths pending, last change durable .+ ago/m);
    assert.match(ran.stdout, /^safe to fail over: NO: 1 conflict waits$/m);
    assert.match(ran.stdout, /^not in sync: nothing$/m);
    assert.match(
      ran.stdout,
      /^held:\n {2}conflicts: 1, since .+\n {4}[0-9a-f]{10} {2}first-sync {2}\/etc\/held\.conf$/m,
    );
    assert.match(ran.stdout, /^ {4}to look at one: bm-confsync conflicts show ID$/m);
  });

  it('explain tells the rule, both entries, the agreed one and that nothing is pending', async () => {
    const ran = await pair.run('active', ['explain', '/etc/d/b.conf']);
    assert.equal(ran.code, 0, ran.stderr);
    const [title, rule, ...rest] = ran.stdout.trimEnd().split('\n');
    assert.equal(title, '/etc/d/b.conf');
    assert.match(rule ?? '', /^ {2}rule: {4}replicated, by include \/etc\/\*\* \(.*watchlist\.yml:3\)$/);
    const entry = 'file 0644 root:root 2 B sha256 0263829989b6';
    assert.deepEqual(rest, [
      `  mail1:   ${entry}`,
      `  mail2:   ${entry}`,
      `  agreed:  ${entry}`,
      '  pending: no',
    ]);
  });

  it('explain shows a conflict, and a path that is out', async () => {
    const held = await pair.run('active', ['explain', '/etc/held.conf']);
    assert.match(held.stdout, /^ {2}conflict: +first-sync$/m);
    assert.match(held.stdout, /^ {2}agreed: +never agreed on$/m);
    const out = await pair.run('active', ['explain', '/etc/private/key']);
    assert.equal(out.code, 0);
    assert.match(
      out.stdout,
      /rule: +not replicated: \/etc\/private above it is out, by exclude \/etc\/private/,
    );
    assert.match(out.stdout, /mail2: +not asked, since the path is not replicated/);
  });

  it('explain says which type is not replicated', async () => {
    execFileSync('mkfifo', [pair.at('active', 'etc/pipe')]);
    const ran = await pair.run('active', ['explain', '/etc/pipe']);
    assert.match(ran.stdout, /mail1: +a fifo, which is not replicated/);
  });

  it('flush is refused on the passive node and needs a daemon there', async () => {
    const ran = await pair.run('passive', ['flush']);
    assert.equal(ran.code, 2);
    assert.match(ran.stderr, /expected the daemon to answer/);
    const passive = pair.spawnDaemon('passive');
    await pair.json('passive', ['status']);
    for (let answered = false; !answered; ) {
      const status = await pair.json('passive', ['status']);
      answered = status['daemon'] === true;
      assert.equal(passive.process.exitCode, null, passive.log());
    }
    const refused = await pair.run('passive', ['flush']);
    assert.equal(refused.code, 4);
    assert.match(refused.stderr, /mail2 is passive/);
    assert.equal(await passive.stop(), 0);
  });

  it('flush exits 3 when the peer is down, status says so, and nothing is lost', async () => {
    await pair.sshd.pause();
    writeFileSync(pair.at('active', 'etc/a.conf'), 'while the peer was down\n');
    const ran = await pair.run('active', ['flush', '--timeout', '500ms']);
    assert.equal(ran.code, 3, `${ran.stdout}${ran.stderr}${daemon.log()}`);
    assert.match(ran.stderr, /^error: not durable on mail2/);
    assert.match(ran.stderr, /^hint: {2}\S/m);
    const found = await pair.json('active', ['status']);
    assert.equal(peerOf(found)['connected'], false);
    await pair.sshd.restart();
    await pair.flush();
    assert.equal(readFileSync(pair.at('passive', 'etc/a.conf'), 'utf8'), 'while the peer was down\n');
  });
});

describe('status and explain without the daemon', () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.open();
    write(pair.root('active'), { 'etc/a.conf': 'a\n' });
  });
  after(() => pair[Symbol.asyncDispose]());

  it('status tells what is written down, and that the daemon does not run', async () => {
    const found = await pair.json('active', ['status']);
    assertStatusKeys(found);
    assert.equal(found['daemon'], false);
    assert.equal(peerOf(found)['connected'], false);
    const ran = await pair.run('active', ['status']);
    assert.equal(ran.code, 1);
    assert.match(ran.stdout, /^the daemon does not run: start it with `systemctl start bm-confsync`$/m);
  });

  it('status works on the passive node', async () => {
    const found = await pair.json('passive', ['status']);
    assertStatusKeys(found);
    assert.deepEqual([found['node'], found['role'], found['epoch']], ['mail2', 'passive', 0]);
  });

  it('flush says that it needs the daemon', async () => {
    const ran = await pair.run('active', ['flush']);
    assert.equal(ran.code, 2);
    assert.match(ran.stderr, /expected the daemon to answer in .*\nhint: {2}start it with `systemctl start/);
  });

  it('explain still compares both nodes, and exits 3 when the other cannot be asked', async () => {
    const ran = await pair.run('active', ['explain', '/etc/a.conf']);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /mail2: +absent/);
    assert.match(ran.stdout, /pending: +unknown, the daemon does not run/);
    await pair.sshd.pause();
    const down = await pair.run('active', ['explain', '/etc/a.conf']);
    assert.equal(down.code, 3);
    assert.match(down.stdout, /mail1: +file 0644/);
    assert.match(down.stdout, /mail2: +unknown: cannot reach mail2/);
  });
});
