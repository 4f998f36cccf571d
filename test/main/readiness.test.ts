import assert from 'node:assert/strict';
import { unlinkSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { NotReady, NotReadyCode } from '../../src/core/readiness.ts';
import { eventually } from '../world/eventually.ts';
import { Pair, type Ran, type Running } from '../world/pair.ts';
import { write } from '../world/tree.ts';

type Answer = {
  readonly node: string;
  readonly ready: boolean;
  readonly reasons: readonly NotReady[];
  readonly notes: readonly string[];
};

describe('ready: could this passive take over now?', () => {
  let pair: Pair;
  let active: Running;
  let passive: Running;
  before(async () => {
    pair = await Pair.open({
      mutual: true,
      watchlist: { validate: [{ match: '/etc/checked.conf', run: ['grep', '-q', 'good', '{file}'] }] },
    });
    write(pair.root('active'), {
      'etc/a.conf': 'a\n',
      'etc/b.conf': 'b\n',
      'etc/checked.conf': 'good\n',
      ...Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`etc/many/${n}`, 'x'])),
    });
  });
  after(() => pair[Symbol.asyncDispose]());

  /** Asks until the reasons are these: what the active has to tell arrives a moment later. */
  async function answers(...codes: NotReadyCode[]): Promise<Answer> {
    let answer: Answer | undefined;
    await eventually(
      `the reasons are: ${codes.join(', ') || 'none'}`,
      async () => {
        const ran = await pair.run('passive', ['ready', '--json']);
        const found = JSON.parse(ran.stdout) as Answer;
        answer = found;
        assert.equal(ran.code, found.ready ? 0 : 1, ran.stdout);
        assert.equal(found.ready, found.reasons.length === 0, ran.stdout);
        return found.reasons.map(({ code }) => code).join() === codes.join();
      },
      { detail: () => JSON.stringify(answer) },
    );
    assert.ok(answer);
    return answer;
  }

  function monitored(): Promise<Ran> {
    return pair.run('passive', ['ready', '--nagios']);
  }

  it('not before the first sync, and not without the daemon', async () => {
    const { node, reasons } = await answers('no-daemon', 'never-in-sync');
    assert.equal(node, 'mail2');
    assert.match(reasons[0]?.detail ?? '', /systemctl start bm-confsync/);
    const ran = await pair.run('passive', ['ready']);
    assert.equal(ran.code, 1);
    assert.match(ran.stdout, /^mail2: NOT ready to take over\n {2}no-daemon: .*\n {2}never-in-sync: /);
  });

  it('yes when it holds what the active holds: on the terminal, as JSON and for Nagios', async () => {
    passive = pair.spawnDaemon('passive');
    active = await pair.startActive();
    assert.equal((await pair.flush()).code, 0);
    // The passive's daemon may have come up after the session, of which it hears a moment later.
    const connected = async (): Promise<boolean> => (await answers()).notes.length === 0;
    await eventually('the daemon knows of the session', connected);
    assert.deepEqual(await answers(), { node: 'mail2', ready: true, reasons: [], notes: [] });
    const ran = await pair.run('passive', ['ready']);
    assert.deepEqual([ran.code, ran.stdout], [0, 'mail2: ready to take over\n']);
    const { code, stdout } = await monitored();
    assert.deepEqual([code, stdout], [0, 'BM-CONFSYNC OK - mail2 is ready to take over | reasons=0;;0;0;\n']);
  });

  it('not on the active, which has nothing to take over', async () => {
    const ran = await pair.run('active', ['ready', '--json']);
    assert.equal(ran.code, 1);
    const { ready, reasons } = JSON.parse(ran.stdout) as Answer;
    assert.deepEqual([ready, reasons.map(({ code }) => code)], [false, ['is-active']]);
  });

  it('not while a conflict waits; the monitor is told which', async () => {
    await eventually('the daemon watches', () => passive.log().includes('watching'));
    writeFileSync(pair.at('passive', 'etc/a.conf'), 'edited\n');
    const [reason] = (await answers('conflicts')).reasons;
    assert.match(reason?.detail ?? '', /1 conflict .*\/etc\/a\.conf.*conflicts resolve/);
    const { code, stdout } = await monitored();
    assert.equal(code, 2);
    assert.match(stdout, /^BM-CONFSYNC CRITICAL - .*\/etc\/a\.conf.* \| reasons=1;;0;0;\n$/);
    writeFileSync(pair.at('passive', 'etc/a.conf'), 'a\n');
    await answers();
  });

  it('not while a file was refused by its validator, which is named with its path', async () => {
    writeFileSync(pair.at('active', 'etc/checked.conf'), 'bad\n');
    const [reason] = (await answers('held')).reasons;
    assert.match(
      reason?.detail ?? '',
      /\/etc\/checked\.conf .*validator-failed.*correct the file on the active/,
    );
    writeFileSync(pair.at('active', 'etc/checked.conf'), 'good again\n');
    await answers();
  });

  it('not while HA is disabled, with its reason, in which no bar begins performance data', async () => {
    await pair.run('active', ['ha', 'disable', '--reason', 'upgrade | to 5.2']);
    const [reason] = (await answers('ha-disabled')).reasons;
    assert.match(reason?.detail ?? '', /upgrade \| to 5\.2.*bm-confsync ha enable/);
    const { code, stdout } = await monitored();
    assert.equal(code, 2);
    assert.match(stdout, /^BM-CONFSYNC CRITICAL - [^|\n]*upgrade \/ to 5\.2[^|\n]* \| reasons=1;;0;0;\n$/);
    assert.equal((await pair.run('active', ['ha', 'enable'])).code, 0);
    await answers();
  });

  it('not while the active is halted, with its reason, and what waits is counted', async () => {
    for (let n = 0; n < 30; n += 1) unlinkSync(pair.at('active', `etc/many/${n}`));
    const [halted, pending] = (await answers('halted', 'pending')).reasons;
    assert.match(halted?.detail ?? '', /30.*bm-confsync resume/);
    assert.match(pending?.detail ?? '', /30 changes of the active had not arrived/);
    assert.equal((await pair.run('active', ['resume', '--allow-deletes'])).code, 0);
    await answers();
  });

  it('yes after the active is gone, with a note', async () => {
    await active.stop();
    let notes = '';
    await eventually('it is noted', async () => {
      notes = (await answers()).notes.join();
      return notes !== '';
    });
    assert.match(notes, /not connected right now; in sync when the active was last heard/);
  });

  it('names every reason at once', async () => {
    writeFileSync(pair.at('passive', 'etc/b.conf'), 'edited\n');
    await answers('conflicts');
    await passive.stop();
    await pair.run('passive', ['ha', 'disable', '--local', '--reason', 'test']);
    const { reasons } = await answers('ha-disabled', 'no-daemon', 'conflicts');
    const { code, stdout } = await monitored();
    assert.equal(code, 2);
    // Between the two answers a second may have passed.
    const timeless = (text: string): string => text.replaceAll(/since \d+ \S+ by/g, 'since … by');
    for (const { detail } of reasons)
      assert.ok(timeless(stdout).includes(timeless(detail.replaceAll('|', '/'))), stdout);
    assert.match(stdout, /\| reasons=3;;0;0;\n$/);
  });

  it('says when the answer cannot be had', async () => {
    const ran = await pair.run('passive', ['ready', '--nagios', '--config', '/nonexistent.yml']);
    assert.equal(ran.code, 3);
    assert.match(ran.stdout, /^BM-CONFSYNC UNKNOWN - /);
  });
});
