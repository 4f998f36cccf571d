import assert from 'node:assert/strict';
import { unlinkSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { Pair, type Running } from '../world/pair.ts';
import { write } from '../world/tree.ts';

type Answer = { ready: boolean; reasons: { code: string; detail: string }[]; notes: string[] };

describe('ready: could this passive take over now?', () => {
  let pair: Pair;
  let passive: Running;
  const ask = async (): Promise<Answer> => (await pair.json('passive', ['ready'])) as unknown as Answer;
  const codes = async (): Promise<string[]> => (await ask()).reasons.map(({ code }) => code);
  const becomes = (expected: readonly string[]): Promise<void> => {
    let found: Answer | undefined;
    return eventually(
      `the reasons are ${expected.join()}`,
      async () => {
        found = await ask();
        return found.reasons.map(({ code }) => code).join() === expected.join();
      },
      { detail: () => JSON.stringify(found) },
    );
  };
  before(async () => {
    pair = await Pair.open({
      mutual: true,
      watchlist: { validate: [{ match: '/etc/checked.conf', run: ['grep', '-q', 'good', '{file}'] }] },
    });
    write(pair.root('active'), {
      'etc/a.conf': 'a\n',
      'etc/checked.conf': 'good\n',
      ...Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`etc/many/${n}`, 'x'])),
    });
  });
  after(() => pair[Symbol.asyncDispose]());

  it('not before the first sync, and not without the daemon', async () => {
    assert.deepEqual(await codes(), ['no-daemon', 'never-in-sync']);
    const ran = await pair.run('passive', ['ready']);
    assert.equal(ran.code, 1);
    assert.match(ran.stdout, /^mail2: NOT ready to take over$/m);
  });

  it('yes when it holds what the active holds', async () => {
    passive = pair.spawnDaemon('passive');
    await pair.startActive();
    assert.equal((await pair.flush()).code, 0);
    await becomes([]);
    const ran = await pair.run('passive', ['ready']);
    assert.equal(ran.code, 0);
    assert.match(ran.stdout, /^mail2: ready to take over$/m);
    const monitored = await pair.run('passive', ['ready', '--nagios']);
    assert.equal(monitored.code, 0);
    assert.match(monitored.stdout, /^BM-CONFSYNC OK - mail2 is ready to take over \| reasons=0;;0;0;\n$/);
  });

  it('not on the active, which has nothing to take over', async () => {
    const ran = await pair.run('active', ['ready']);
    assert.equal(ran.code, 1);
    assert.match(ran.stdout, /is-active/);
  });

  it('not while a conflict waits; the monitor is told which', async () => {
    await eventually('the daemon watches', () => passive.log().includes('watching'));
    writeFileSync(pair.at('passive', 'etc/a.conf'), 'edited\n');
    await becomes(['conflicts']);
    const monitored = await pair.run('passive', ['ready', '--nagios']);
    assert.equal(monitored.code, 2);
    assert.match(monitored.stdout, /^BM-CONFSYNC CRITICAL - .*\/etc\/a\.conf.* \| reasons=1;;0;0;\n$/);
    writeFileSync(pair.at('passive', 'etc/a.conf'), 'a\n');
    await becomes([]);
  });

  it('not while a file was refused by its validator, which is named with its path', async () => {
    writeFileSync(pair.at('active', 'etc/checked.conf'), 'bad\n');
    await becomes(['held']);
    const [reason] = (await ask()).reasons;
    assert.match(reason?.detail ?? '', /\/etc\/checked\.conf.*validator-failed/);
    writeFileSync(pair.at('active', 'etc/checked.conf'), 'good again\n');
    await becomes([]);
  });

  it('not while HA is disabled', async () => {
    await pair.run('active', ['ha', 'disable', '--reason', 'upgrade']);
    await becomes(['ha-disabled']);
    await pair.run('active', ['ha', 'enable']);
    await becomes([]);
  });

  it('not while the active is halted, with its reason', async () => {
    for (let n = 0; n < 40; n += 1) unlinkSync(pair.at('active', `etc/many/${n}`));
    await eventually('the halt is known', async () => (await codes()).includes('halted'));
    await pair.run('active', ['resume', '--allow-deletes']);
    await becomes([]);
  });

  it('says when the answer cannot be had', async () => {
    await passive.stop();
    await becomes(['no-daemon']);
    const ran = await pair.run('passive', ['ready', '--nagios', '--config', '/nonexistent.yml']);
    assert.equal(ran.code, 3);
    assert.match(ran.stdout, /^BM-CONFSYNC UNKNOWN - /);
  });
});
