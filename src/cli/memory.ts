import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { trimMalloc } from '../files/native.ts';

/** So long after its last collection of garbage a process counts as being at rest, milliseconds. */
const restMs = 3000;
/** So many collections of V8 mean that much is done at once: they stand for some 16 MB of new values. */
const bulk = 8;

/** How much the heap may grow, as a part of what is in use, before all of it is looked through for garbage. Percent. */
const growth = { atRest: 20, least: 100, most: 400 } as const;
/** In a bulk garbage may take about so much beside what is in use, more only where that is more itself. Bytes. */
const roomBytes = 128 * 1024 * 1024;

/**
 * For processes that run for months and have little to do: V8 lets the heap grow to a multiple of what is in use before
 * it cleans up, and the space for new values to 64 MB. Here the heap stays within a fifth of what is in use, but while a
 * bulk of work is done, where a fifth of the processor time would go into looking for garbage, and the space for new values at
 * the 2 MB that it has at first: memory that is new to a process takes more time than what it has to be used once more.
 *
 * What a walk or a bulk has left over would stay as well, since V8 collects only while something is allocated, and libc keeps
 * what it was given back in pieces. Both go back to the system once the process rests. V8's own search for more, half a
 * minute after the start of a process and some seconds after its heap has grown, is turned off: it comes in the middle of
 * the rest, takes 60 ms of processor time, and finds what ours has left, a megabyte at most.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  let percent = letGrow(growth.atRest);
  setFlagsFromString('--memory-reducer-gc-count=0');
  setFlagsFromString('--expose-gc');
  let collections = 0;
  let settledAt = 0;
  const timer = setTimeout(() => {
    if (collections < bulk) return;
    // Before the collection, which takes the measure for the next one by it.
    percent = letGrow(growth.atRest);
    collectAll();
    trimMalloc();
    collections = 0;
    settledAt = performance.now();
  }, restMs).unref();
  // No clock that ticks in a process at rest: where nothing is collected, nothing was left over.
  new PerformanceObserver((list) => {
    const theirs = list.getEntries().filter(({ startTime }) => startTime > settledAt);
    if (theirs.length === 0) return;
    collections += theirs.length;
    const wanted = collections < bulk ? growth.atRest : percentInBulk(getHeapStatistics().used_heap_size);
    if (wanted !== percent) percent = letGrow(wanted);
    timer.refresh();
  }).observe({ entryTypes: ['gc'] });
}

/** In whole hundreds, so that it is not another one after each collection. */
function percentInBulk(usedBytes: number): number {
  const hundreds = Math.floor(roomBytes / usedBytes);
  return Math.min(growth.most, Math.max(growth.least, hundreds * 100));
}

function letGrow(percent: number): number {
  setFlagsFromString(`--heap-growing-percent=${percent}`);
  return percent;
}

/** Collects all garbage and gives the memory back: 30 ms for a heap of 40 MB, 190 ms for one of 100 MB. */
function collectAll(): void {
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
