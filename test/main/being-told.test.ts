import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { readPerfdata } from '../rig/perfdata.ts';
import { eventually } from '../world/eventually.ts';
import { Pair, type Running } from '../world/pair.ts';
import { write } from '../world/tree.ts';

/** What a monitor sees: the code, the text and the numbers. */
type Seen = { readonly code: number; readonly text: string; readonly numbers: Record<string, number> };

describe('who is told how the nodes are', () => {
  let pair: Pair;
  let active: Running;
  before(async () => {
    pair = await Pair.open({ mutual: true });
    write(pair.root('active'), { 'etc/motd': 'hello\n', 'etc/postfix/main.cf': 'a\n' });
    pair.spawnDaemon('passive');
    active = await pair.startActive();
    assert.equal((await pair.flush()).code, 0);
    await eventually(
      'the passive was told that it has all',
      async () => (await monitored('passive')).code === 0,
    );
  });
  after(() => pair[Symbol.asyncDispose]());

  async function monitored(node: 'active' | 'passive'): Promise<Seen> {
    const { code, stdout, stderr } = await pair.run(node, ['status', '--nagios']);
    assert.equal(stderr, '');
    assert.match(stdout, /^BM-CONFSYNC [A-Z]+ - [^|\n]+ \| [^|\n]+\n$/);
    const [read = []] = readPerfdata([stdout]);
    const numbers = Object.fromEntries(read.map(({ label, value }) => [label, value]));
    return { code, text: stdout.split(' | ')[0] ?? '', numbers };
  }

  it('a monitor, of both nodes that are well', async () => {
    const [here, there] = await Promise.all([monitored('active'), monitored('passive')]);
    assert.deepEqual(here, {
      code: 0,
      text: 'BM-CONFSYNC OK - mail1 is active, epoch 1; mail2 has all',
      numbers: { conflicts: 0, pending: 0, held: 0, lag: 0, connected: 1 },
    });
    assert.equal(there.code, 0, there.text);
    assert.match(there.text, /^BM-CONFSYNC OK - mail2 is passive and can take over; it follows mail1, heard/);
    assert.deepEqual(Object.keys(there.numbers), ['conflicts', 'pending', 'heard']);
  });

  it('a monitor, of a command line that is wrong: UNKNOWN, and not what 1 or 2 mean to it', async () => {
    for (const words of [
      ['status', '--nagios', '--frobnicate'],
      ['status', '--nagios', '--watch'],
    ])
      assert.equal((await pair.run('active', words)).code, 3, words.join(' '));
  });

  it('a monitor, of HA that is disabled', async () => {
    await pair.run('active', ['ha', 'disable', '--reason', 'upgrade | 5.2']);
    for (const node of ['active', 'passive'] as const) {
      const { code, text } = await monitored(node);
      assert.equal(code, 1, text);
      assert.match(text, /^BM-CONFSYNC WARNING - mail[12] \(\w+\): HA disabled since .+: upgrade \/ 5\.2/);
    }
    await pair.run('active', ['ha', 'enable']);
    await eventually('all is well again', async () => (await monitored('active')).code === 0);
  });

  it('a monitor, of an edit on the wrong node, on both', async () => {
    writeFileSync(pair.at('passive', 'etc/motd'), 'edited here\n');
    await eventually('both nodes know', async () => {
      const seen = await Promise.all([monitored('active'), monitored('passive')]);
      return seen.every(({ code, text, numbers }) => {
        return code === 1 && numbers['conflicts'] === 1 && text.includes('1 conflict waits');
      });
    });
    writeFileSync(pair.at('passive', 'etc/motd'), 'hello\n');
    await eventually('all is well again', async () => (await monitored('active')).code === 0);
  });

  it('a monitor, of a daemon that hangs, that is gone, and of a peer that is', async () => {
    active.process.kill('SIGSTOP');
    const { code, stdout } = await pair.run('active', ['status', '--nagios']);
    active.process.kill('SIGCONT');
    assert.equal(code, 2, stdout);
    assert.match(stdout, /^BM-CONFSYNC CRITICAL - the daemon does not answer: .+\n$/);

    await pair.sshd.pause();
    await eventually('the peer is missed', async () => (await monitored('active')).code === 2);
    assert.match((await monitored('active')).text, /CRITICAL - mail1 \(active\): mail2 is not connected/);
    await active.stop();
    const gone = await monitored('active');
    assert.deepEqual([gone.code, gone.numbers], [2, { conflicts: 0 }]);
    assert.match(gone.text, /the daemon does not run, start it with systemctl start bm-confsync/);
  });
});
