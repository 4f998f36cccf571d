/**
 * Time by hand. `Date.now` is a wall clock that histories step; timers run on time of their own that never goes
 * back, and only when they are told to. Turns of the event loop stay real.
 */
type Timer = { readonly run: () => void; at: number; readonly everyMs: number | undefined };

const real = {
  now: Date.now,
  timeout: AbortSignal.timeout,
  setTimeout: globalThis.setTimeout,
  setInterval: globalThis.setInterval,
  clearTimeout: globalThis.clearTimeout,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
  clearImmediate: globalThis.clearImmediate,
};

let wall = real.now();
let monotonic = 0;
const timers = new Set<Timer>();
const immediates = new Set<NodeJS.Immediate>();
const strays: unknown[] = [];

/** Thrown in whatever a crashed node still tries to do. */
export class Crash extends Error {
  override readonly name = 'Crash';
}

class Handle {
  readonly timer: Timer;
  readonly #ms: number;

  constructor(timer: Timer, ms: number) {
    this.timer = timer;
    this.#ms = ms;
  }

  refresh(): this {
    this.timer.at = monotonic + this.#ms;
    timers.add(this.timer);
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}

/** Errors that nobody caught, but for those of nodes that crashed. */
export function takeStrays(): unknown[] {
  return strays.splice(0);
}

/** What nobody caught: the work of a crashed node, or a bug. */
export function onStray(error: unknown): void {
  if (!isCrash(error)) strays.push(error);
}

export function isCrash(error: unknown): boolean {
  return (
    error instanceof Crash || (error instanceof Error && error.cause !== undefined && isCrash(error.cause))
  );
}

function add(run: () => void, ms: number, everyMs: number | undefined): Handle {
  const timer = { run, at: monotonic + Math.max(1, ms), everyMs };
  timers.add(timer);
  return new Handle(timer, Math.max(1, ms));
}

function remove(handle: unknown): void {
  if (handle instanceof Handle) timers.delete(handle.timer);
  else real.clearTimeout(handle as NodeJS.Timeout);
}

/** Takes the clocks over. Answers how to give them back. */
export function takeClocks(): () => void {
  const replaced = {
    setTimeout: (run: () => void, ms = 0) => add(run, ms, undefined),
    setInterval: (run: () => void, ms = 0) => add(run, ms, ms),
    clearTimeout: remove,
    clearInterval: remove,
    setImmediate: (run: (...args: unknown[]) => void, ...args: unknown[]) => {
      const handle = real.setImmediate(() => {
        immediates.delete(handle);
        attempt(() => run(...args));
      });
      immediates.add(handle);
      return handle;
    },
    clearImmediate: (handle: NodeJS.Immediate | undefined) => {
      if (handle !== undefined) immediates.delete(handle);
      real.clearImmediate(handle);
    },
  };
  Object.assign(globalThis, replaced);
  Date.now = () => wall;
  AbortSignal.timeout = (ms) => {
    const controller = new AbortController();
    add(() => controller.abort(new DOMException('it took too long', 'TimeoutError')), ms, undefined);
    return controller.signal;
  };
  const listeners = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', onStray);
  const warners = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', onWarning);
  process.setUncaughtExceptionCaptureCallback(onStray);
  return () => {
    const { now, timeout, ...globals } = real;
    Object.assign(globalThis, globals);
    Date.now = now;
    AbortSignal.timeout = timeout;
    process.setUncaughtExceptionCaptureCallback(null);
    process.removeListener('unhandledRejection', onStray);
    for (const listener of listeners) process.on('unhandledRejection', listener);
    process.removeListener('warning', onWarning);
    for (const warner of warners) process.on('warning', warner);
  };
}

/** A crashed node may look at its errors late. */
function onWarning(warning: Error): void {
  if (warning.name !== 'PromiseRejectionHandledWarning') process.stderr.write(`${warning.stack}\n`);
}

/** A history begins: no timer is left, and the wall clock is right. */
export function resetClock(): void {
  timers.clear();
  strays.length = 0;
  wall = real.now();
}

/** Sets the wall clock forwards or backwards, as an operator or NTP does. Timers do not mind. Milliseconds. */
export function stepWall(ms: number): void {
  wall += ms;
}

/** Lets time pass, and runs the timers that come due. Milliseconds. */
export function passTime(ms: number): void {
  const until = monotonic + ms;
  for (let next = earliest(until); next !== undefined; next = earliest(until)) {
    wall += next.at - monotonic;
    monotonic = next.at;
    if (next.everyMs === undefined) timers.delete(next);
    else next.at += Math.max(1, next.everyMs);
    attempt(next.run);
  }
  wall += until - monotonic;
  monotonic = until;
}

/** Whether something waits for the next turn of the event loop. */
export function turnsWanted(): boolean {
  return immediates.size > 0;
}

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => void real.setImmediate(() => resolve()));
}

function earliest(until: number): Timer | undefined {
  let found: Timer | undefined;
  for (const timer of timers)
    if (timer.at <= until && (found === undefined || timer.at < found.at)) found = timer;
  return found;
}

function attempt(run: () => void): void {
  try {
    run();
  } catch (error) {
    onStray(error);
  }
}
