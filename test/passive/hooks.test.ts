import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Command } from '../../src/config/watchlist.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { HookRunner, planHooks } from '../../src/passive/hooks.ts';
import { OwedHookStore } from '../../src/state/owed-hooks.ts';
import { fileOf, Passive } from '../main/hostile-wire-rig.ts';
import { eventually } from '../world/eventually.ts';
import { temporaryFolder } from '../world/tree.ts';
import { Receiver } from './receiver-process.ts';

const at = (path: string): ReplicaPath => path as ReplicaPath;

function command(run: readonly string[], ...paths: string[]): Command {
  return { watchlist: 'test', match: 'x', run, timeoutMs: 5000, matches: (path) => paths.includes(path) };
}

function folderOf(t: TestContext): string {
  const folder = temporaryFolder('hooks');
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe('the plan of a batch', () => {
  it('runs each distinct command once, and a path waits for its own', () => {
    const applies = [
      command(['a'], '/1', '/2'),
      command(['b'], '/2'),
      command(['a'], '/3', '/2'),
      command(['c'], '/9'),
    ];
    const plan = planHooks([at('/1'), at('/2'), at('/3'), at('/4')], applies);
    assert.deepEqual(
      plan.commands.map(({ command: { run }, path }) => [run, path]),
      [
        [['a'], '/1'],
        [['b'], '/2'],
      ],
    );
    const [a, b] = plan.commands.map(({ key }) => key);
    assert.deepEqual(
      [...plan.waiting],
      [
        ['/1', [a]],
        ['/2', [a, b]],
        ['/3', [a]],
      ],
    );
  });
});

describe('the runner of hooks', () => {
  it('runs one after the other, and one that waits serves all that ask for it meanwhile', async (t) => {
    const file = join(folderOf(t), 'ran');
    const say = (word: string) => [
      'sh',
      '-c',
      `echo ${word}+ >> ${file}; sleep 0.05; echo ${word}- >> ${file}`,
    ];
    const runner = new HookRunner(() => assert.fail('missing'));
    const one = command(say('one'));
    const two = command(say('two'));
    const running = runner.run('1', one);
    const waiting = runner.run('2', two);
    assert.equal(runner.run('2', two), waiting);
    await running;
    await runner.run('1', one);
    await runner.idle();
    assert.equal(readFileSync(file, 'utf8').replaceAll('\n', ' '), 'one+ one- two+ two- one+ one- ');
  });
});

describe('an apply hook', () => {
  it('runs once a batch after it is in place and remembered, and only its paths wait for it', async (t) => {
    const folder = folderOf(t);
    const script = `cat "$(cat ${folder}/root)"/etc/h1 "$(cat ${folder}/root)"/etc/h2 > ${folder}/seen; echo ran >> ${folder}/ran; until test -e ${folder}/go; do sleep 0.01; done`;
    const watchlist = { apply: [{ match: '/etc/h*', run: ['sh', '-c', script] }] };
    await using passive = await Passive.open({ watchlist });
    writeFileSync(join(folder, 'root'), passive.root);
    const sender = await passive.session();
    const [h1, h2, other] = [
      sender.push('/etc/h1', 'one'),
      sender.push('/etc/h2', 'two'),
      sender.push('/etc/other', 'x'),
    ];
    assert.deepEqual(await sender.ack(other), { kind: 'applied' });
    await eventually('the hook runs', () => existsSync(join(folder, 'seen')));
    // Others are placed meanwhile.
    assert.deepEqual(await sender.ack(sender.push('/etc/next', 'x')), { kind: 'applied' });
    writeFileSync(join(folder, 'go'), '');
    assert.deepEqual(await sender.ack(h1), { kind: 'applied' });
    assert.deepEqual(await sender.ack(h2), { kind: 'applied' });
    assert.equal(readFileSync(join(folder, 'seen'), 'utf8'), 'onetwo');
    assert.equal(readFileSync(join(folder, 'ran'), 'utf8'), 'ran\n');
  });

  it('that fails is told in the ack and in the log; the file is in place', async () => {
    const run = ['sh', '-c', 'echo cannot >&2; exit 4'];
    await using passive = await Passive.open({ watchlist: { apply: [{ match: '/etc/h', run }] } });
    const sender = await passive.session();
    const result = await sender.ack(sender.push('/etc/h', 'x'));
    assert.ok(result.kind === 'applied');
    assert.equal(result.hooks?.length, 1);
    assert.match(result.hooks?.[0] ?? '', /sh -c .* ended with exit code 4: cannot/);
    const told = passive.events.filter((event) => event.kind === 'hook-failed');
    assert.equal(told.length, 1);
    assert.equal(readFileSync(join(passive.root, 'etc/h'), 'utf8'), 'x');
  });

  it('does not run for what is there already, and a missing program is passed over', async (t) => {
    const file = join(folderOf(t), 'ran');
    const watchlist = {
      apply: [
        { match: '/etc/h', run: ['sh', '-c', `echo ran >> ${file}`] },
        { match: '/etc/m', run: [`bm-confsync-no-such-hook-${process.pid}`] },
      ],
    };
    await using passive = await Passive.open({ watchlist });
    const sender = await passive.session();
    assert.deepEqual(await sender.ack(sender.push('/etc/h', 'x')), { kind: 'applied' });
    assert.deepEqual(await sender.ack(sender.push('/etc/h', 'x')), { kind: 'already-there' });
    const lie = sender.push('/etc/h', 'z', { put: fileOf('lie'), expect: fileOf('x') });
    assert.equal((await sender.ack(lie)).kind, 'refused');
    assert.equal(readFileSync(file, 'utf8'), 'ran\n');
    assert.deepEqual(await sender.ack(sender.push('/etc/m', 'x')), { kind: 'applied' });
    assert.deepEqual(await sender.ack(sender.push('/etc/m', 'y', { expect: fileOf('x') })), {
      kind: 'applied',
    });
    assert.equal(passive.events.filter(({ kind }) => kind === 'validator-skipped').length, 1);
  });

  it('runs to its end although the session is over, and the session waits for it', async (t) => {
    const folder = folderOf(t);
    const script = `touch ${folder}/begun; sleep 0.1; touch ${folder}/ended`;
    await using passive = await Passive.open({
      watchlist: { apply: [{ match: '/etc/h', run: ['sh', '-c', script] }] },
    });
    const sender = await passive.session();
    sender.push('/etc/h', 'x');
    await eventually('the hook runs', () => existsSync(join(folder, 'begun')));
    await sender.cut();
    assert.ok(existsSync(join(folder, 'ended')));
  });

  it('that a killed receiver did not get to runs in the next session, once, and none is owed then', async (t) => {
    const folder = folderOf(t);
    const script = `test -e ${folder}/killed || { touch ${folder}/killed; kill -9 $PPID; exit; }; echo ran >> ${folder}/ran`;
    const watchlist = { apply: [{ match: '/etc/h', run: ['sh', '-c', script] }] };
    await using passive = await Passive.open({ watchlist });
    {
      await using receiver = await Receiver.start(passive.config, {});
      receiver.sender.push('/etc/h', 'x');
      assert.equal(await receiver.answersOrDies(), false, 'the hook kills its receiver');
    }
    assert.equal(readFileSync(join(passive.root, 'etc/h'), 'utf8'), 'x');
    assert.equal(new OwedHookStore(passive.node.database).list().length, 1);
    const sender = await passive.session();
    await eventually('the owed hook runs', () => existsSync(join(folder, 'ran')));
    await eventually('nothing is owed', () => new OwedHookStore(passive.node.database).list().length === 0);
    assert.deepEqual(await sender.ack(sender.push('/etc/h', 'x')), { kind: 'already-there' });
    await sender.cut();
    const last = await passive.session();
    await last.cut();
    assert.equal(readFileSync(join(folder, 'ran'), 'utf8'), 'ran\n');
  });

  it('of a push that is refused is owed no longer', async () => {
    await using passive = await Passive.open({ watchlist: { apply: [{ match: '/etc/h', run: ['true'] }] } });
    const sender = await passive.session();
    writeFileSync(join(passive.root, 'etc/h'), 'edited here');
    assert.equal((await sender.ack(sender.push('/etc/h', 'x', { expect: fileOf('y') }))).kind, 'conflict');
    assert.deepEqual(new OwedHookStore(passive.node.database).list(), []);
  });
});
