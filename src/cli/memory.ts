import { PerformanceObserver } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { trimMalloc } from '../files/native.ts';

/** So long after its last collection of garbage a process counts as being at rest, milliseconds. */
const restMs = 3000;
/** So many collections of V8 mean that much is done at once: they stand for some 16 MB of new values. */
const bulk = 8;

/**
 * How V8 keeps house. `heapPercent`: how much the heap may grow, as a part of what is in use, before all of it is looked
 * through for garbage. `newFactor`: by what the space for new values, of 2 MB at first, grows where too much of it is in use.
 */
const thrifty = { heapPercent: 20, newFactor: 1 } as const;
/** Where the heap is kept small, a fifth of the daemons' processor time in a bulk is garbage collection. */
const roomy = { heapPercent: 100, newFactor: 2 } as const;

/**
 * For processes that run for months and have little to do: V8 lets the heap grow to a multiple of what is in use before
 * it cleans up, and the space for new values to 64 MB. Here the heap stays within a fifth of what is in use, but while a
 * bulk of work is done.
 *
 * What a walk or a bulk has left over would stay as well, since V8 collects only while something is allocated, and libc keeps
 * what it was given back in pieces. Both go back to the system once the process rests. V8's own search for more, half a
 * minute after the start of a process and some seconds after its heap has grown, is turned off: it comes in the middle of
 * the rest, takes 60 ms of processor time, and finds what ours has left, a megabyte at most.
 */
export function keepHeapSmall(): void {
  keepHouse(thrifty);
  setFlagsFromString('--memory-reducer-gc-count=0');
  setFlagsFromString('--expose-gc');
  let collections = 0;
  let settledAt = 0;
  const timer = setTimeout(() => {
    if (collections < bulk) return;
    // Before the collection, which takes the measure for the next one by it.
    keepHouse(thrifty);
    collectAll();
    trimMalloc();
    collections = 0;
    settledAt = performance.now();
  }, restMs).unref();
  // No clock that ticks in a process at rest: where nothing is collected, nothing was left over.
  new PerformanceObserver((list) => {
    const theirs = list.getEntries().filter(({ startTime }) => startTime > settledAt);
    if (theirs.length === 0) return;
    const before = collections;
    collections += theirs.length;
    if (before < bulk && collections >= bulk) keepHouse(roomy);
    timer.refresh();
  }).observe({ entryTypes: ['gc'] });
}

function keepHouse({ heapPercent, newFactor }: typeof thrifty | typeof roomy): void {
  setFlagsFromString(`--heap-growing-percent=${heapPercent}`);
  setFlagsFromString(`--semi-space-growth-factor=${newFactor}`);
}

/** Collects all garbage and gives the memory back: 30 ms for a heap of 40 MB, 190 ms for one of 100 MB. */
function collectAll(): void {
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
