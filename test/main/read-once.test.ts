import assert from 'node:assert/strict';
import { lstatSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { stampOf } from '../../src/files/stats.ts';
import { openDatabase } from '../../src/state/database.ts';
import { eventually } from '../world/eventually.ts';
import { Pair } from '../world/pair.ts';
import { callsDuring } from '../world/strace.ts';
import { write } from '../world/tree.ts';

/** So many that the daemon lets them rest before it reads them. A file that changed a moment ago is read again by anybody. */
const names = Array.from({ length: 150 }, (_, index) => `etc/placed-${index}.conf`);

/** Whether the passive node has written down what the files hold as they are now. */
function areWrittenDown(pair: Pair): boolean {
  using database = openDatabase(pair.state('passive'));
  const statement = database.statement('SELECT stamp FROM seen WHERE path = ?');
  return names.every((name) => {
    const stats = lstatSync(pair.at('passive', name), { bigint: true });
    return statement.get(`/${name}`)?.['stamp'] === stampOf(stats);
  });
}

/** How often the receiver reads such files while something is done. */
async function readsDuring(pair: Pair, act: () => Promise<void>): Promise<number> {
  // A shell may stand before the program.
  const pids = pair.sshd.sessions().commands.map(({ pid }) => pid);
  const calls = await callsDuring({ pids, calls: 'read,pread64', output: join(pair.folder, 'reads') }, act);
  return calls.match(/placed-\d+\.conf>/g)?.length ?? 0;
}

describe('a passive node', () => {
  it('reads placed files once for its daemon and its receiver', async () => {
    await using pair = await Pair.open();
    write(pair.root('active'), Object.fromEntries(names.map((name) => [name, 'old\n'])));
    pair.spawnDaemon('passive');
    await pair.startActive();
    for (const name of names) writeFileSync(pair.at('active', name), 'new\n');
    assert.equal((await pair.flush()).code, 0);

    await eventually('the daemon has written down what it read', () => areWrittenDown(pair));
    const reads = await readsDuring(pair, async () => {
      const { code, stdout } = await pair.run('active', ['verify']);
      assert.equal(code, 0, stdout);
    });
    assert.equal(reads, 0);
  });
});
