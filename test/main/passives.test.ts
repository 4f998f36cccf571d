import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { conflictsOn, seatOf } from '../world/kept.ts';
import { type NodeName, Pair } from '../world/pair.ts';
import { differences, write } from '../world/tree.ts';

type PeerStatus = { name: string; connected: boolean; state: string; pending: number };

async function peersOf(pair: Pair): Promise<PeerStatus[]> {
  return ((await pair.json('active', ['status'])) as { peers: PeerStatus[] }).peers;
}

function conflictPeers(pair: Pair, node: NodeName): string[] {
  return conflictsOn(pair, node).map(({ peer, path }) => `${peer} ${path}`);
}

async function bothLive(pair: Pair): Promise<void> {
  await eventually('both passives are live', async () =>
    (await peersOf(pair)).every(({ state }) => state === 'live'),
  );
}

describe('two passive nodes', () => {
  it('a dead one and a hanging one delay nobody; they catch up, each by its own ledger', async () => {
    await using pair = await Pair.open({ third: true });
    write(pair.root('active'), { 'etc/a.conf': '0\n', 'etc/b.conf': '0\n' });
    await pair.startActive();
    await bothLive(pair);
    assert.equal((await pair.flush()).code, 0);
    for (const node of ['passive', 'third'] as const)
      assert.equal(differences(pair.root('active'), pair.root(node)), '');

    const dead = pair.sshdOf('third');
    await dead.pause();
    for (let round = 1; round <= 5; round += 1) {
      writeFileSync(pair.at('active', 'etc/a.conf'), `${round}\n`);
      await eventually(
        'the living one has it',
        () => readFileSync(pair.at('passive', 'etc/a.conf'), 'utf8') === `${round}\n`,
      );
    }
    assert.equal(readFileSync(pair.at('third', 'etc/a.conf'), 'utf8'), '0\n');
    const [living, gone] = await peersOf(pair);
    assert.deepEqual([living?.name, living?.state, living?.pending], ['mail2', 'live', 0]);
    assert.deepEqual([gone?.name, gone?.connected], ['mail3', false]);
    assert.ok((gone?.pending ?? 0) > 0);
    await dead.restart();
    await eventually('the dead one catches up', () => {
      return readFileSync(pair.at('third', 'etc/a.conf'), 'utf8') === '5\n';
    });
    await bothLive(pair);

    // One that hangs still has its connection open.
    dead.pauseSessions();
    writeFileSync(pair.at('active', 'etc/b.conf'), 'while it hangs\n');
    await eventually(
      'the living one has it',
      () => readFileSync(pair.at('passive', 'etc/b.conf'), 'utf8') === 'while it hangs\n',
    );
    dead.resumeSessions();
    await eventually(
      'the hanging one has it',
      () => readFileSync(pair.at('third', 'etc/b.conf'), 'utf8') === 'while it hangs\n',
    );
  });

  it('a conflict with one is none with the other; a promotion makes both others follow', async () => {
    await using pair = await Pair.open({ third: true, mutual: true });
    write(pair.root('active'), { 'etc/a.conf': '0\n', 'etc/b.conf': '0\n' });
    const daemons = (['passive', 'third'] as const).map((node) => pair.spawnDaemon(node));
    await pair.startActive();
    await bothLive(pair);
    assert.equal((await pair.flush()).code, 0);
    for (const daemon of daemons) await eventually('it watches', () => daemon.log().includes('watching'));

    writeFileSync(pair.at('third', 'etc/a.conf'), 'edited on mail3\n');
    await eventually('the active lists it', () => conflictPeers(pair, 'active').length > 0);
    assert.deepEqual(conflictPeers(pair, 'active'), ['mail3 /etc/a.conf']);
    writeFileSync(pair.at('active', 'etc/a.conf'), '1\n');
    await eventually(
      'the other passive gets the change',
      () => readFileSync(pair.at('passive', 'etc/a.conf'), 'utf8') === '1\n',
    );
    assert.equal(readFileSync(pair.at('third', 'etc/a.conf'), 'utf8'), 'edited on mail3\n');

    const promoted = await pair.run('passive', ['promote']);
    assert.equal(promoted.code, 0, promoted.stderr);
    for (const node of ['active', 'third'] as const)
      assert.deepEqual(seatOf(pair, node), { role: 'passive', epoch: 2 });
    writeFileSync(pair.at('passive', 'etc/new.conf'), 'from mail2\n');
    for (const node of ['active', 'third'] as const)
      await eventually(`${node} follows`, () => existsSync(pair.at(node, 'etc/new.conf')));
    assert.equal(readFileSync(pair.at('third', 'etc/a.conf'), 'utf8'), 'edited on mail3\n');
    await eventually('the new active lists the edit', () =>
      conflictPeers(pair, 'passive').includes('mail3 /etc/a.conf'),
    );
  });
});
