import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BurstMeter } from '../../src/watch/burst.ts';

const queueLength = 100;

function count(meter: BurstMeter, events: number, now: number): boolean[] {
  return Array.from({ length: events }, () => meter.count(now)).filter((suspect) => suspect);
}

test('half a queue of events is no suspect, one more is, once', () => {
  const meter = new BurstMeter({ queueLength });
  assert.deepEqual(count(meter, 50, 1000), []);
  assert.equal(meter.checkAt(), undefined);
  assert.equal(meter.isOver(9999), false);
  assert.deepEqual(count(meter, 30, 1100), [true]);
  assert.equal(meter.checkAt(), 1300);
});

test('a suspect burst is over when it has calmed, and is told once', () => {
  const meter = new BurstMeter({ queueLength });
  count(meter, 60, 1000);
  meter.turnEnded();
  meter.count(1150);
  assert.equal(meter.isOver(1349), false);
  assert.equal(meter.isOver(1350), true);
  assert.equal(meter.isOver(1350), false);
  meter.turnEnded();
  assert.deepEqual(count(meter, 50, 1360), []);
});

test('each turn of the event loop begins a new count, since the queue was empty then', () => {
  const meter = new BurstMeter({ queueLength });
  for (let turn = 0; turn < 10; turn += 1) {
    assert.deepEqual(count(meter, 50, 1000 + turn), []);
    meter.turnEnded();
  }
  assert.deepEqual(count(meter, 51, 1010), [true]);
  // The end of the turn clears nobody of the suspicion.
  meter.turnEnded();
  assert.equal(meter.isOver(1210), true);
});

test('a burst that never calms is told all the same', () => {
  const meter = new BurstMeter({ queueLength, patienceMs: 1000 });
  let told = 0;
  for (let now = 0; now < 20_000; now += 100) {
    count(meter, 51, now);
    meter.turnEnded();
    if (meter.isOver(now)) told += 1;
  }
  assert.ok(told >= 10 && told <= 20, `${told}`);
});
