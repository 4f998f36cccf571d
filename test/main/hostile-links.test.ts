import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../world/eventually.ts';
import { Pair } from '../world/pair.ts';
import { differences, leftovers, write } from '../world/tree.ts';

/** How long the attacker swaps a directory for a link, milliseconds. */
const attackMs = 10_000;
const unguarded = { massDeletion: { paths: 1_000_000, percent: 100 } };

describe('symbolic links', () => {
  it('are replicated as links and never followed, wherever they lead', async () => {
    await using pair = await Pair.open({ active: { limits: unguarded } });
    const targets: Record<string, string> = {
      shadow: '/etc/shadow',
      root: '/',
      proc: '/proc/self/root',
      loop: 'loop',
      ping: 'pong',
      pong: 'ping',
      up: '..',
      here: '.',
      nowhere: 'no/such/file',
      long: 't'.repeat(4000),
      'new\nline': 'to\nline',
    };
    for (const [name, target] of Object.entries(targets))
      write(pair.root('active'), { [`etc/links/${name}`]: { symlink: target } });
    const daemon = await pair.startActive();
    for (const [name, target] of Object.entries(targets))
      write(pair.root('active'), { [`etc/later/${name}`]: { symlink: target } });
    const flushed = await pair.flush();
    assert.equal(flushed.code, 0, flushed.stdout + daemon.log().slice(-2000));
    for (const folder of ['links', 'later']) {
      assert.deepEqual(readdirSync(pair.at('passive', `/etc/${folder}`)), Object.keys(targets).sort());
      for (const [name, target] of Object.entries(targets))
        assert.equal(readlinkSync(pair.at('passive', `/etc/${folder}/${name}`)), target);
    }
    // Only the directories, the links and nothing behind them.
    const status = await pair.json('active', ['status']);
    const { paths } = status['watching'] as { paths: number };
    assert.equal(paths, 2 * (1 + Object.keys(targets).length));
    assert.equal((await pair.run('active', ['verify', '--full'])).code, 0);
  });

  it('in place of a directory, and a directory in place of a link, arrive without what is behind being touched', async () => {
    await using pair = await Pair.open({ active: { limits: unguarded } });
    const outside = join(pair.folder, 'outside');
    write(outside, { victim: 'precious' });
    write(pair.root('active'), {
      'etc/a/victim': 'mine',
      'etc/b': { symlink: outside },
    });
    await pair.startActive();
    assert.equal((await pair.flush()).code, 0);
    const swap = pair.at('active', '/etc/swap');
    // Both at once, as an upgrade would: the directory becomes a link, the link a directory.
    write(pair.root('active'), { 'etc/new/victim': 'mine' });
    symlinkSync(outside, swap);

    renameSync(pair.at('active', '/etc/a'), pair.at('active', '/etc/was'));
    renameSync(swap, pair.at('active', '/etc/a'));
    renameSync(pair.at('active', '/etc/b'), pair.at('active', '/etc/link'));
    renameSync(pair.at('active', '/etc/new'), pair.at('active', '/etc/b'));
    const flushed = await pair.flush();
    assert.equal(flushed.code, 0, flushed.stdout);
    assert.equal(differences(pair.root('active'), pair.root('passive')), '');
    assert.deepEqual(readdirSync(outside), ['victim']);
    assert.equal(readFileSync(join(outside, 'victim'), 'utf8'), 'precious');
  });
});

describe('a directory of the passive that is a link out of the tree', () => {
  it('is never written through: what belongs below is refused as not confined, the rest goes on', async () => {
    await using pair = await Pair.open();
    const outside = join(pair.folder, 'outside');
    mkdirSync(outside);
    symlinkSync(outside, pair.at('passive', '/etc/d'));
    write(pair.root('active'), {
      'etc/d/first.conf': 'x',
      'etc/d/e/deeper.conf': 'x',
      'etc/plain.conf': 'x',
    });
    const daemon = await pair.startActive();
    write(pair.root('active'), { 'etc/d/second.conf': 'x', 'etc/other.conf': 'x' });
    const flushed = await pair.flush();
    assert.equal(flushed.code, 1);
    for (const name of ['first.conf', 'second.conf', 'e'])
      assert.match(flushed.stdout, new RegExp(`held back: /etc/d/${name} for mail2: not-confined, `));
    assert.match(daemon.log(), /path-failed: \/etc\/d\/second\.conf on mail2: not-confined: .*symbolic link/);
    assert.deepEqual(readdirSync(outside), []);
    assert.equal(readFileSync(pair.at('passive', '/etc/other.conf'), 'utf8'), 'x');
    assert.equal(readFileSync(pair.at('passive', '/etc/plain.conf'), 'utf8'), 'x');
    assert.ok(lstatSync(pair.at('passive', '/etc/d')).isSymbolicLink());
    // A person decides, and the link itself is kept or replaced as a whole.
    const resynced = await pair.run('active', ['resync', '--yes']);
    assert.deepEqual(readdirSync(outside), [], resynced.stdout);
    assert.equal((await pair.flush()).code, 0, (await pair.flush()).stdout);
    assert.equal(differences(pair.root('active'), pair.root('passive')), '');
    assert.deepEqual(readdirSync(outside), []);
  });

  it('lets nothing out when it comes and goes during a burst', async (t) => {
    await using pair = await Pair.open({ active: { limits: unguarded } });
    const outside = join(pair.folder, 'outside');
    const trap = join(pair.folder, 'trap');
    mkdirSync(outside);
    write(pair.root('active'), { 'etc/d/e/first.conf': 'first' });
    const daemon = await pair.startActive();
    assert.equal((await pair.flush()).code, 0);
    symlinkSync(outside, trap);
    const native = fileURLToPath(new URL('../../src/files/native.ts', import.meta.url));
    // Exchanges the directory and the link without a moment in between; ends with the directory in place.
    const script = `
      import { renameExchange } from ${JSON.stringify(native)};
      const [directory, trap] = process.argv.slice(1);
      let swaps = 0;
      const swap = () => { if (!renameExchange(directory, trap).ok) process.exit(3); swaps += 1; };
      let going = true;
      process.stdin.once('data', () => { going = false; });
      console.log('swapping');
      const turn = () => {
        for (let n = 0; n < 50; n += 1) swap();
        if (going) setImmediate(turn); else { console.log(swaps); process.exit(0); }
      };
      turn();`;
    const attacker = spawn(
      process.execPath,
      ['--input-type=module', '-e', script, pair.at('passive', '/etc/d'), trap],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const started = performance.now();
    let said = '';
    attacker.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    try {
      await eventually('the attacker is at work', () => said.includes('swapping'));
      for (let round = 0; performance.now() < started + attackMs; round += 1) {
        for (let n = 0; n < 20; n += 1) {
          writeFileSync(pair.at('active', `/etc/d/f${n}`), `${round} ${n}`);
          writeFileSync(pair.at('active', `/etc/d/e/g${n}`), `${round} ${n}`.repeat(80_000));
        }
        // Whether all of it got through does not matter here.
        await pair.run('active', ['flush', '--timeout', '1s']);
        assert.deepEqual(readdirSync(outside), []);
      }
    } finally {
      attacker.stdin.write('enough\n');
      await once(attacker, 'exit');
    }
    assert.equal(attacker.exitCode, 0);
    const refusals = daemon.log().match(/not-confined/g)?.length ?? 0;
    t.diagnostic(`${said.split('\n')[1]} exchanges, ${refusals} refusals in the log`);
    assert.deepEqual(readdirSync(outside), []);
    assert.ok(lstatSync(pair.at('passive', '/etc/d')).isDirectory());
    assert.equal(daemon.process.exitCode, null);
    const resynced = await pair.run('active', ['resync', '--yes']);
    assert.equal(resynced.code, 0, resynced.stdout + resynced.stderr);
    assert.equal(differences(pair.root('active'), pair.root('passive')), '');
    assert.equal(leftovers(pair.root('passive')), '');
  });
});
