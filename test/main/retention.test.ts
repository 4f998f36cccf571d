import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { ReplicaPath } from '../../src/core/path.ts';
import { openDatabase } from '../../src/state/database.ts';
import { ObjectStore } from '../../src/state/objects.ts';
import type { Version } from '../../src/state/version.ts';
import { VersionStore } from '../../src/state/versions.ts';
import { eventually } from '../world/eventually.ts';
import { Pair } from '../world/pair.ts';
import { write } from '../world/tree.ts';

const path = '/etc/a.conf' as ReplicaPath;

function keptOnPassive(pair: Pair): Version[] {
  using database = openDatabase(pair.state('passive'));
  return new VersionStore(database).list(path);
}

describe('kept versions', () => {
  it('are private, and pruned by the passive’s daemon to what its configuration says', async () => {
    await using pair = await Pair.open({ passive: { versions: { count: 3 } } });
    write(pair.root('active'), { 'etc/a.conf': 'round 0\n' });
    await pair.startActive();
    for (let round = 1; round <= 6; round += 1) {
      writeFileSync(pair.at('active', path), `round ${round}\n`);
      assert.equal((await pair.flush()).code, 0);
    }
    assert.equal(keptOnPassive(pair).length, 6);
    const newest = keptOnPassive(pair)[0]?.entry;
    assert.ok(newest?.kind === 'file');
    const object = new ObjectStore(pair.state('passive')).pathOf(newest.digest);
    assert.equal(statSync(object).mode & 0o7777, 0o600);

    const passive = pair.spawnDaemon('passive');
    await eventually('the daemon pruned', () => passive.log().includes('pruned'), { detail: passive.log });
    assert.equal(keptOnPassive(pair).length, 3);
    assert.ok(
      keptOnPassive(pair).some(({ entry }) => entry.kind === 'file' && entry.digest === newest.digest),
    );
  });
});
