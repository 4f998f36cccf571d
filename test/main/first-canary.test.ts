import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { Pair } from '../world/pair.ts';

type Told = { canary?: { peers: { latencyMs: number | null }[] } };

it('the first canary leaves when the first reconcile is over, and not at the end of the interval', async () => {
  await using pair = await Pair.open({ active: { canary: { interval: '1d' } } });
  await pair.startActive();
  await eventually('it was heard', async () => {
    const { canary } = (await pair.json('active', ['status'])) as Told;
    return (canary?.peers[0]?.latencyMs ?? null) !== null;
  });
  assert.ok(existsSync(pair.at('passive', 'var/lib/bm-confsync-canary/beat')));
});
