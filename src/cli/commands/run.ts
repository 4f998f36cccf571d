import { flushCompileCache } from 'node:module';
import { serveMetrics } from '../../control/metrics.ts';
import { notifySystemd, watchdogIntervalMs } from '../../control/notify.ts';
import { serveControl } from '../../control/server.ts';
import { Tally } from '../../control/tally.ts';
import type { Exit } from '../../core/failure.ts';
import { openLog } from '../../log/log.ts';
import { forgetCompiled } from '../compiled.ts';
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
    onBug: tellBug,
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
    await daemon.start(() => {
      notifySystemd('READY=1');
      keepWatchdogQuiet();
      // What was allocated so far stays for the most part.
      keepHeapSmall();
    });
  } catch (error) {
    // Nothing may keep the process, so that whoever started it hears of what is wrong.
    await metrics[Symbol.asyncDispose]();
    await control[Symbol.asyncDispose]();
    await daemon.watcher?.close();
    throw error;
  }
  await requests();
  // All is loaded by now, and nobody knows how this process will end.
  flushCompileCache();
  forgetCompiled(node.config.state);
  await new Promise<void>((resolve) => {
    if (stopping.signal.aborted) resolve();
    else stopping.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  notifySystemd('STOPPING=1');
  await metrics[Symbol.asyncDispose]();
  await control[Symbol.asyncDispose]();
  await daemon.stop();
  node.database.close();
  return 'done';
}

function keepWatchdogQuiet(): void {
  const everyMs = watchdogIntervalMs();
  if (everyMs !== undefined) setInterval(() => notifySystemd('WATCHDOG=1'), everyMs).unref();
}

function tellBug(error: unknown): void {
  process.stderr.write(`bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
}
