import assert from 'node:assert/strict';
import { readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../world/eventually.ts';
import { conflictsOn, versionsOf } from '../world/kept.ts';
import { type NodeName, Pair } from '../world/pair.ts';
import { write } from '../world/tree.ts';

const shiftClock = fileURLToPath(new URL('../world/shift-clock.ts', import.meta.url));
const hourMs = 3_600_000;
const both = ['active', 'passive'] as const;

/**
 * Both daemons with agreed files, and one that both nodes had before they knew each other, the passive’s being the
 * younger. `shiftMs`: how far the clock of the passive’s receivers is ahead.
 */
async function openPair(shiftMs: number): Promise<Pair> {
  const preload = `env NODE_OPTIONS=--import=${shiftClock} BMCS_CLOCK_SHIFT_MS=${shiftMs}`;
  const pair = await Pair.open({
    mutual: true,
    active: { conflict: 'newest-wins' },
    wrapReceive: (command) => (command.includes('/passive/') ? `${preload} ${command}` : command),
  });
  write(pair.root('active'), {
    'etc/a.conf': 'agreed\n',
    'etc/b.conf': 'agreed\n',
    'etc/apart.conf': { content: 'active\n', mtime: 1_000_000 },
  });
  write(pair.root('passive'), { 'etc/apart.conf': { content: 'passive\n', mtime: 2_000_000 } });
  const passive = pair.spawnDaemon('passive');
  await pair.startActive();
  await eventually('the rest is agreed', () =>
    both.every((node) => read(pair, node, 'b.conf') === 'agreed\n'),
  );
  await eventually('the passive’s daemon watches', () => passive.log().includes('watching'));
  return pair;
}

function read(pair: Pair, node: NodeName, name: string): string | undefined {
  try {
    return readFileSync(pair.at(node, `etc/${name}`), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function skewOf(pair: Pair): Promise<number> {
  const { peers } = (await pair.json('active', ['status'])) as { peers: { skewMs: number }[] };
  return peers[0]?.skewMs ?? Number.NaN;
}

describe('newest-wins', () => {
  it('holds while the clocks differ more than limits.clockSkew, and status tells by how much', async () => {
    await using pair = await openPair(hourMs);
    const skew = await skewOf(pair);
    assert.ok(Math.abs(skew - hourMs) < 60_000, `the skew is ${skew}`);
    const shown = await pair.run('active', ['status']);
    assert.match(shown.stdout, /clocks differ by (1 h|59 min)/);
    writeFileSync(pair.at('passive', 'etc/a.conf'), 'edited on the passive\n');
    await eventually('both are conflicts on both', () =>
      both.every(
        (node) =>
          conflictsOn(pair, node)
            .map(({ path }) => path)
            .sort()
            .join() === '/etc/a.conf,/etc/apart.conf',
      ),
    );
    assert.equal(read(pair, 'active', 'a.conf'), 'agreed\n');
    assert.equal(read(pair, 'passive', 'a.conf'), 'edited on the passive\n');
    assert.equal(read(pair, 'active', 'apart.conf'), 'active\n');
    assert.equal(read(pair, 'passive', 'apart.conf'), 'passive\n');
  });

  it('takes the newer one, whichever that is, while the clocks agree', async () => {
    await using pair = await openPair(0);
    assert.ok(Math.abs(await skewOf(pair)) < 2000);
    await eventually('the younger of what was there before is on both', () =>
      both.every((node) => read(pair, node, 'apart.conf') === 'passive\n'),
    );
    writeFileSync(pair.at('passive', 'etc/a.conf'), 'newer on the passive\n');
    const older = pair.at('passive', 'etc/b.conf');
    // Renamed into place, so that no instant shows the edit with its own time.
    writeFileSync(`${pair.root('passive')}/staged`, 'older on the passive\n');
    utimesSync(`${pair.root('passive')}/staged`, 1_000_000, 1_000_000);
    renameSync(`${pair.root('passive')}/staged`, older);
    await eventually('both are the newer', () =>
      both.every(
        (node) =>
          read(pair, node, 'a.conf') === 'newer on the passive\n' &&
          read(pair, node, 'b.conf') === 'agreed\n',
      ),
    );
    const kept = (node: NodeName, path: string): string[] =>
      versionsOf(pair, node, path).map(({ content }) => content);
    await eventually(
      'what was not taken is kept',
      () =>
        kept('active', '/etc/a.conf').includes('agreed\n') &&
        kept('passive', '/etc/b.conf').includes('older on the passive\n'),
    );
    await eventually('no conflict is left', () => both.every((node) => conflictsOn(pair, node).length === 0));
    writeFileSync(pair.at('active', 'etc/apart.conf'), 'go on\n');
    await eventually('replication goes on', () => read(pair, 'passive', 'apart.conf') === 'go on\n');
  });
});
