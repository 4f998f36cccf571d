import assert from 'node:assert/strict';
import { readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ConflictStore } from '../../src/state/conflicts.ts';
import { openDatabase } from '../../src/state/database.ts';
import { eventually } from '../world/eventually.ts';
import { Pair } from '../world/pair.ts';
import { write } from '../world/tree.ts';

const clockAhead = join(import.meta.dirname, '../world/clock-ahead.ts');

function inConflict(pair: Pair): string[] {
  using database = openDatabase(pair.state('active'));
  return new ConflictStore(database).list().map(({ path }) => path);
}

/** Both nodes edited the file apart, the passive's is younger; then they connect. */
async function editedApart(wrapReceive?: (command: string) => string): Promise<Pair> {
  const pair = await Pair.open({
    active: { conflict: 'newest-wins' },
    ...(wrapReceive === undefined ? {} : { wrapReceive }),
  });
  write(pair.root('active'), { 'etc/a.conf': 'active\n' });
  write(pair.root('passive'), { 'etc/a.conf': 'passive\n' });
  utimesSync(pair.at('active', 'etc/a.conf'), 1_000_000, 1_000_000);
  utimesSync(pair.at('passive', 'etc/a.conf'), 2_000_000, 2_000_000);
  await pair.startActive();
  return pair;
}

describe('newest-wins', () => {
  it('takes the younger file while the clocks agree', async () => {
    await using pair = await editedApart();
    await eventually(
      'the younger one is on both',
      () => readFileSync(pair.at('active', 'etc/a.conf'), 'utf8') === 'passive\n',
    );
    await eventually('nothing is in conflict', () => inConflict(pair).length === 0);
    writeFileSync(pair.at('active', 'etc/a.conf'), 'go on\n');
    await eventually(
      'replication goes on',
      () => readFileSync(pair.at('passive', 'etc/a.conf'), 'utf8') === 'go on\n',
    );
  });

  it('holds while the clocks differ more than limits.clockSkew, and status tells by how much', async () => {
    await using pair = await editedApart((command) => command.replace(' ', ` --import=${clockAhead} `));
    await eventually('it is held', () => inConflict(pair).join() === '/etc/a.conf');
    assert.equal(readFileSync(pair.at('active', 'etc/a.conf'), 'utf8'), 'active\n');
    assert.equal(readFileSync(pair.at('passive', 'etc/a.conf'), 'utf8'), 'passive\n');
    const status = (await pair.json('active', ['status'])) as { peers: { skewMs: number }[] };
    assert.ok((status.peers[0]?.skewMs ?? 0) > 3_500_000);
    const shown = await pair.run('active', ['status']);
    assert.match(shown.stdout, /clocks differ by 1 h/);
  });
});
