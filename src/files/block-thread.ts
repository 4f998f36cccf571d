const nobody = new Int32Array(new SharedArrayBuffer(4));

/** Blocks the thread for so many milliseconds, for what cannot go on by a timer: nothing else runs meanwhile. */
export function blockThread(ms: number): void {
  Atomics.wait(nobody, 0, 0, ms);
}
