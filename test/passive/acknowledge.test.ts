import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { productVersion } from '../../src/cli/product.ts';
import { Passive, type Sender } from '../main/hostile-wire-rig.ts';
import { write } from '../world/tree.ts';

const count = 40;

async function opened(passive: Passive, version: string): Promise<Sender> {
  const sender = passive.connect();
  sender.hello({ version });
  await sender.next('welcome');
  return sender;
}

/** Pushes so many files in one go, of which the one in the middle has another content already. */
function pushMany(sender: Sender, passive: Passive): { ids: number[]; other: number } {
  const middle = count / 2;
  write(passive.root, { [`etc/f${middle}`]: 'something else' });
  const push = (_: unknown, at: number): number => sender.push(`/etc/f${at}`, `${at}`);
  const ids = sender.together(() => Array.from({ length: count }, push));
  return { ids, other: ids[middle] ?? 0 };
}

describe('what was placed', () => {
  it('is told in few messages to a sender of the same version, what is in conflict by itself', async () => {
    await using passive = await Passive.open();
    const sender = await opened(passive, productVersion);
    const { ids, other } = pushMany(sender, passive);
    const applied: number[] = [];
    const others: [number, string][] = [];
    let messages = 0;
    while (applied.length + others.length < count) {
      await sender.peek();
      messages += 1;
      const [answer] = sender.rest();
      if (answer?.t === 'acks') applied.push(...(await sender.next('acks')).ids);
      else {
        const { id, result } = await sender.next('ack');
        if (result.kind === 'applied') applied.push(id);
        else others.push([id, result.kind]);
      }
    }
    assert.deepEqual(others, [[other, 'conflict']]);
    assert.deepEqual(
      applied.toSorted((a, b) => a - b),
      ids.filter((id) => id !== other),
    );
    assert.ok(messages < count / 2, `${messages} messages`);
  });

  it('is told one by one to a sender of another version', async () => {
    await using passive = await Passive.open();
    const sender = await opened(passive, '0.0.0-other');
    const { ids, other } = pushMany(sender, passive);
    const told = new Map<number, string>();
    while (told.size < count) {
      const { id, result } = await sender.next('ack');
      told.set(id, result.kind);
    }
    assert.deepEqual(told, new Map(ids.map((id) => [id, id === other ? 'conflict' : 'applied'])));
  });
});
