import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { Pair, type Running } from '../world/pair.ts';
import { write } from '../world/tree.ts';

/** What must never be in a log, nor in what is shown with --mask. */
const secret = 'hunter2-correct-horse';
const privateKey = `-----BEGIN PRIVATE KEY-----\nMIIE${secret}AAAA\n-----END PRIVATE KEY-----\n`;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
const raw = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
const hostile = 'x\u001b]0;pwned\u0007\u001b[2J\u009b31m\u202e\u2066\nerror: forged\r';

describe('what is told of secrets and of hostile names', () => {
  let pair: Pair;
  let active: Running;
  let passive: Running;
  const seen: string[] = [];
  before(async () => {
    const complaining = (file: string): string[] => ['sh', '-c', `cat ${file} >&2; exit 1`];
    pair = await Pair.open({
      mutual: true,
      watchlist: {
        validate: [{ match: '/etc/refused.conf', run: complaining('{file}') }],
        apply: [{ match: '/etc/hooked.conf', run: ['sh', '-c', 'printf hunter2-%s correct-horse; exit 3'] }],
      },
    });
    write(pair.root('active'), {
      'etc/db.conf': `password = ${secret}\nhost = a\n`,
      'etc/key.pem': privateKey,
      [`etc/${hostile}`]: 'one\n',
      [`etc/${hostile}link`]: { symlink: hostile },
    });
    passive = pair.spawnDaemon('passive');
    active = await pair.startActive();
    await pair.flush();
  });
  after(() => pair[Symbol.asyncDispose]());

  it('an edit on the passive, a refused push and a failed hook happen, and status tells what was said', async () => {
    write(pair.root('passive'), {
      'etc/db.conf': `password = ${secret}-changed\nhost = b\n`,
      'etc/key.pem': privateKey.replace('AAAA', 'BBBB'),
      [`etc/${hostile}`]: `two${hostile}\n`,
    });
    write(pair.root('active'), { 'etc/refused.conf': `token=${secret}\n`, 'etc/hooked.conf': 'x\n' });
    await eventually('all of it is known', async () => {
      const found = await pair.json('active', ['status']);
      const [peer] = found['peers'] as { troubles: unknown[]; hookFailures: unknown[] }[];
      return found['conflicts'] === 3 && peer?.troubles.length === 1 && peer.hookFailures.length === 1;
    });
    const status = await pair.run('active', ['status']);
    assert.match(status.stdout, /validator-failed, .*hunter2/);
    assert.ok(status.stdout.trimEnd().split('\n').length <= 23, status.stdout);
  });

  it('with --mask a diff shows that a secret changed, and not the secret', async () => {
    const conflicts = (await pair.json('active', ['conflicts'])) as unknown as { id: string; path: string }[];
    const ids = conflicts.filter(({ path }) => /db\.conf|key\.pem/.test(path)).map(({ id }) => id);
    assert.equal(ids.length, 2);
    const open = await pair.run('active', ['verify', '--diff']);
    const verified = await pair.run('active', ['verify', '--diff', '--mask']);
    const shown = [verified, await pair.run('active', ['verify', '--diff', '--mask', '--json'])];
    for (const id of ids)
      for (const node of ['active', 'passive'] as const)
        shown.push(await pair.run(node, ['conflicts', 'show', id, '--mask']));
    assert.ok(open.stdout.includes(secret));
    assert.match(
      verified.stdout,
      /^-password = <masked 1>\n-host = b\n\+password = <masked 2>\n\+host = a$/m,
    );
    for (const { stdout, stderr } of shown) {
      assert.ok(stdout.includes('<masked'), stdout + stderr);
      assert.ok(!`${stdout}${stderr}`.includes(secret), stdout);
    }
  });

  it('restore --diff --mask hides it too', async () => {
    const kept = await pair.run('active', ['resync', '--yes', '/etc/db.conf']);
    assert.equal(kept.code, 0, kept.stdout + kept.stderr);
    const { versions } = (await pair.json('active', ['history', '/etc/db.conf'])) as {
      versions: { id: string }[];
    };
    const id = versions[0]?.id ?? assert.fail('no version was kept');
    const ran = await pair.run('active', ['restore', '/etc/db.conf', '--version', id, '--diff', '--mask']);
    assert.match(ran.stdout, /^\+password = <masked 2>$/m);
    assert.ok(!ran.stdout.includes(secret));
  });

  it('no command lets a hostile name move the cursor or make a line of its own', async () => {
    const path = `/etc/${hostile}`;
    const conflicts = (await pair.json('active', ['conflicts'])) as unknown as { id: string; path: string }[];
    const id = conflicts.find((one) => one.path === path)?.id ?? assert.fail('no conflict');
    const harmless = async (node: 'active' | 'passive', words: readonly string[]): Promise<void> => {
      const { stdout, stderr } = await pair.run(node, words);
      assert.doesNotMatch(stdout, raw, words.join(' '));
      assert.doesNotMatch(stderr, raw, words.join(' '));
      assert.doesNotMatch(`${stdout}\n${stderr}`, /^error: forged/m, words.join(' '));
      seen.push(`${stdout}${stderr}`);
    };
    const reporting = [
      ['status'],
      ['conflicts'],
      ['conflicts', 'show', id],
      ['verify', '--diff'],
      ['resync', '--dry-run'],
      ['explain', path],
      ['history', path],
      ['watchlist', 'test', path],
    ];
    await Promise.all(
      reporting.flatMap((words) => [words, [...words, '--json']]).map((words) => harmless('active', words)),
    );
    const failing = [
      ['flush', '--timeout', '300ms'],
      ['verify', '--nagios'],
      ['restore', path, '--version', hostile, '--diff'],
      ['conflicts', 'show', hostile],
      ['fingerprint', hostile],
      [hostile],
    ];
    await Promise.all(failing.map((words) => harmless('active', words)));
    await harmless('passive', ['ha', 'disable', '--local', '--reason', hostile]);
    await Promise.all(['status', 'ready'].map((word) => harmless('passive', [word])));
    await harmless('passive', ['ha', 'status', '--json']);
    await harmless('passive', ['ha', 'enable', '--local']);
    assert.ok(seen.some((text) => text.includes('\\x1b]0;pwned')));
  });

  it('no log holds a secret, a key, or a control character', async () => {
    await active.stop();
    await passive.stop();
    for (const log of [active.log(), passive.log()]) {
      assert.doesNotMatch(log, raw);
      assert.doesNotMatch(log, /^error: forged/m);
      assert.ok(!log.includes(secret), log.split('\n').find((line) => line.includes(secret)) ?? '');
      assert.ok(!log.includes('PRIVATE KEY'));
    }
    assert.match(
      active.log(),
      /path-failed: \/etc\/refused\.conf on mail2: validator-failed: .*ended with exit code 1/,
    );
    assert.match(active.log(), /hook-failed: \/etc\/hooked\.conf on mail2: .*ended with exit code 3/);
  });
});
