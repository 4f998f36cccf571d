import { fsyncSync } from 'node:fs';
import koffi from 'koffi';

/**
 * Several fsyncs side by side, by the kernel's own asynchronous calls (io_submit(2)): a disk that is told to write all at
 * once commits its journal once, and is flushed once. Node's thread pool would do as well, for callers that can wait.
 */

type Setup = (number: number, events: number, context: BigUint64Array) => number;
type Submit = (number: number, context: bigint, count: number, list: BigUint64Array) => number;
type GetEvents = (
  number: number,
  context: bigint,
  least: number,
  most: number,
  events: Buffer,
  timeout: null,
) => number;

/** Numbers of the system calls, which glibc has no functions for. */
const numbers: Partial<Record<NodeJS.Architecture, { setup: number; submit: number; getEvents: number }>> = {
  x64: { setup: 206, submit: 209, getEvents: 208 },
  arm64: { setup: 0, submit: 2, getEvents: 4 },
};

/** At most so many at once. */
const most = 16;
/** As in linux/aio_abi.h: struct iocb, struct io_event, IOCB_CMD_FSYNC. */
const requestBytes = 64;
const eventBytes = 32;
const at = { operation: 16, descriptor: 20 } as const;
const resultAt = 16;
const fsyncOperation = 2;
const interrupted = 4;

type Kernel = {
  /** Answers how many of the first `count` requests were taken; less than one where none was. */
  submit(count: number): number;
  getEvents(least: number): number;
};

const requests = Buffer.alloc(most * requestBytes);
const events = Buffer.alloc(most * eventBytes);
/** Undefined: not asked yet. null: this kernel, machine or sandbox has none of it. */
let kernel: Kernel | null | undefined;

/** Makes what the descriptors stand for durable, as fsync of each. Throws a system error when one fails. */
export function syncTogether(fds: readonly number[]): void {
  if (fds.length > 1) kernel ??= openKernel();
  for (let done = 0; done < fds.length; ) {
    const some = fds.slice(done, done + most);
    const taken = kernel && some.length > 1 ? submit(kernel, some) : 0;
    if (kernel && taken > 0) collect(kernel, taken);
    // What it did not take, one after the other.
    for (const fd of some.slice(taken)) fsyncSync(fd);
    done += some.length;
  }
}

function submit({ submit: take }: Kernel, fds: readonly number[]): number {
  requests.fill(0);
  for (const [index, fd] of fds.entries()) {
    requests.writeUInt16LE(fsyncOperation, index * requestBytes + at.operation);
    requests.writeUInt32LE(fd, index * requestBytes + at.descriptor);
  }
  return Math.max(0, take(fds.length));
}

/** Waits for all that was taken. */
function collect({ getEvents }: Kernel, taken: number): void {
  let failed = 0;
  for (let left = taken; left > 0; ) {
    const came = getEvents(left);
    // A signal may come at any time.
    if (came < 0 && koffi.errno() !== interrupted) throw new Error(`io_getevents failed: ${koffi.errno()}`);
    failed = Math.min(failed, worstResult(events, came));
    left -= Math.max(0, came);
  }
  if (failed < 0) throw syncError(-failed);
}

/** The lowest of the results that the first `count` events of the kernel tell: 0, or an errno below it. */
export function worstResult(told: Buffer, count: number): number {
  let worst = 0;
  for (let event = 0; event < count; event += 1)
    worst = Math.min(worst, Number(told.readBigInt64LE(event * eventBytes + resultAt)));
  return worst;
}

function syncError(errno: number): Error {
  const code = errno === 28 ? 'ENOSPC' : errno === 122 ? 'EDQUOT' : 'EIO';
  return Object.assign(new Error(`${code}: fsync (errno ${errno})`), {
    code,
    errno: -errno,
    syscall: 'fsync',
  });
}

function openKernel(): Kernel | null {
  const known = numbers[process.arch];
  if (known === undefined) return null;
  const libc = koffi.load('libc.so.6');
  const setup = libc.func('long syscall(long, long, void *)') as Setup;
  const submitCall = libc.func('long syscall(long, uint64_t, long, void *)') as Submit;
  const eventsCall = libc.func('long syscall(long, uint64_t, long, long, void *, void *)') as GetEvents;
  const opened = new BigUint64Array(1);
  if (Number(setup(known.setup, most, opened)) !== 0) return null;
  const context = opened[0] ?? 0n;
  const first = BigInt(koffi.address(requests));
  const list = BigUint64Array.from({ length: most }, (_, index) => first + BigInt(index * requestBytes));
  return {
    submit: (count) => Number(submitCall(known.submit, context, count, list)),
    getEvents: (least) => Number(eventsCall(known.getEvents, context, least, most, events, null)),
  };
}
