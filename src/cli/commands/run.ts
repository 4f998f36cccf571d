import { flushCompileCache } from 'node:module';
import { serveMetrics } from '../../control/metrics.ts';
import { notifySystemd, watchdogIntervalMs } from '../../control/notify.ts';
import { serveControl } from '../../control/server.ts';
import { Tally } from '../../control/tally.ts';
import type { Exit } from '../../core/failure.ts';
import { openLog } from '../../log/log.ts';
import { Daemon } from '../daemon/daemon.ts';
import { statusOf } from '../daemon/status.ts';
import { Tap } from '../daemon/tap.ts';
import { keepHeapSmall } from '../memory.ts';
import { openNode } from '../node.ts';
import { productVersion } from '../product.ts';

export type RunOptions = {
  readonly config: string;
  readonly logFormat: 'text' | 'json';
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug';
};

/** What answers the command line: loaded once the daemon watches, before a package manager may replace the program. */
function requests(): Promise<typeof import('../daemon/requests.ts')> {
  return import('../daemon/requests.ts');
}

/** Runs until SIGTERM or SIGINT. */
export async function runDaemon(options: RunOptions): Promise<Exit> {
  const startedAt = Date.now();
  const tally = new Tally(openLog({ format: options.logFormat, level: options.logLevel }));
  const tap = new Tap(tally.log);
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  const node = await openNode(options.config, tap.log);
  const daemon = new Daemon(node, (peer, latencyMs) => tally.canary(peer, latencyMs));
  // The socket comes first: it is what keeps a second daemon out.
  const control = await serveControl({
    runtime: node.config.runtime,
    handle: async (request, reply, signal) =>
      (await requests()).serveRequest({ node, daemon, tap }, request, reply, signal),
    onBug: (error) =>
      process.stderr.write(
        `bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
      ),
  });
  const metrics = await serveMetrics({
    runtime: node.config.runtime,
    ...node.config.metrics,
    tell: () => ({
      measured: { ...statusOf(node, daemon), version: productVersion, startedAt },
      tallied: tally.told(),
    }),
    onFailed: (where, detail) => tap.log({ kind: 'metrics-failed', where, detail }),
  });
  try {
    await daemon.start(() => notifySystemd('READY=1'));
  } catch (error) {
    // Nothing may keep the process, so that whoever started it hears of what is wrong.
    await metrics[Symbol.asyncDispose]();
    await control[Symbol.asyncDispose]();
    await daemon.watcher?.close();
    throw error;
  }
  await requests();
  // Before the flags of V8 change, by which it knows what it compiled.
  flushCompileCache();
  keepHeapSmall();
  const watchdogMs = watchdogIntervalMs();
  const watchdog =
    watchdogMs === undefined ? undefined : setInterval(() => notifySystemd('WATCHDOG=1'), watchdogMs);
  await new Promise<void>((resolve) => {
    if (stopping.signal.aborted) resolve();
    else stopping.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  notifySystemd('STOPPING=1');
  clearInterval(watchdog);
  await metrics[Symbol.asyncDispose]();
  await control[Symbol.asyncDispose]();
  await daemon.stop();
  node.database.close();
  return 'done';
}
