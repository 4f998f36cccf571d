import { chmodSync, closeSync, fchmodSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';
import type { Tell } from './scrape.ts';

export type MetricsOptions = {
  /** The private folder of the daemon. The socket is `metrics.sock` in it. */
  readonly runtime: string;
  /** Where else to listen; the address is one of this machine's own. */
  readonly port?: { readonly address: string; readonly port: number } | undefined;
  /** A file for the textfile collector of node-exporter, and how often it is written. */
  readonly textfile?: { readonly path: string; readonly everyMs: number } | undefined;
  readonly tell: Tell;
  /** Nobody can read the metrics there. Replication goes on all the same. */
  readonly onFailed: (where: string, detail: string) => void;
};

/** Whoever reads metrics is one or two programs. */
const maxConnections = 16;
/** A connection on which nothing happens is closed. Milliseconds. */
const idleMs = 10_000;

type Scrape = typeof import('./scrape.ts');

/**
 * Lets Prometheus and its like read the metrics. What speaks their language is loaded when the first of them comes, or
 * now when it is sure that one will. Disposing closes everything and removes the file: nobody is to read old numbers.
 */
export async function serveMetrics(options: MetricsOptions): Promise<AsyncDisposable> {
  const { runtime, port, textfile, tell, onFailed } = options;
  const scraping = new Scraping(tell, onFailed);
  if (port !== undefined || textfile !== undefined) await scraping.load('this process');
  const path = join(runtime, 'metrics.sock');
  const onSocket = new Listening(scraping, path);
  await attempt(onFailed, path, async () => {
    // With the lock of the daemon held, nobody listens there.
    rmSync(path, { force: true });
    await onSocket.listen({ path });
    chmodSync(path, 0o600);
  });
  const listening = [onSocket];
  if (port !== undefined) {
    const where = `${port.address}:${port.port}`;
    const onPort = new Listening(scraping, where);
    listening.push(onPort);
    await attempt(onFailed, where, () => onPort.listen({ host: port.address, port: port.port }));
  }
  const file = textfile === undefined ? undefined : new Textfile(scraping, { ...textfile, onFailed });
  file?.start();
  return {
    async [Symbol.asyncDispose]() {
      await file?.stop();
      await Promise.all(listening.map((one) => one.close()));
    },
  };
}

async function attempt(
  onFailed: MetricsOptions['onFailed'],
  where: string,
  act: () => Promise<void>,
): Promise<void> {
  try {
    await act();
  } catch (error) {
    onFailed(where, textOf(error));
  }
}

/** What speaks HTTP and the format of Prometheus, loaded when it is needed. */
class Scraping {
  readonly #tell: Tell;
  readonly #onFailed: MetricsOptions['onFailed'];
  #loading: Promise<{ scrape: Scrape; take: (socket: Socket) => void }> | undefined;

  constructor(tell: Tell, onFailed: MetricsOptions['onFailed']) {
    this.#tell = tell;
    this.#onFailed = onFailed;
  }

  /** Undefined where the program was replaced under this process, which tells so. */
  async load(where: string): Promise<{ scrape: Scrape; take: (socket: Socket) => void } | undefined> {
    this.#loading ??= import('./scrape.ts').then((scrape) => ({
      scrape,
      take: scrape.scrapes(this.#tell),
    }));
    try {
      return await this.#loading;
    } catch (error) {
      this.#loading = undefined;
      this.#onFailed(where, `${textOf(error)}; systemctl restart bm-confsync`);
      return undefined;
    }
  }

  async told(where: string): Promise<string | undefined> {
    return (await this.load(where))?.scrape.told(this.#tell);
  }
}

/** One address at which somebody may come. */
class Listening {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(scraping: Scraping, where: string) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.setTimeout(idleMs, () => socket.destroy());
      // That one who reads goes away is no trouble of ours.
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.#sockets.delete(socket));
      void scraping.load(where).then((loaded) => {
        if (loaded === undefined) socket.destroy();
        else loaded.take(socket);
      });
    });
    this.#server.maxConnections = maxConnections;
  }

  listen(at: ListenOptions): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen(at, () => {
      this.#server.off('error', reject);
      // From here on the errors are of single connections that could not be accepted.
      this.#server.on('error', () => undefined);
      resolve();
    });
    return promise;
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** The file for the textfile collector, never seen half written. */
class Textfile {
  readonly #scraping: Scraping;
  readonly #options: NonNullable<MetricsOptions['textfile']> & Pick<MetricsOptions, 'onFailed'>;
  #interval: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  /** What failed last is told once. */
  #told: string | undefined;

  constructor(
    scraping: Scraping,
    options: NonNullable<MetricsOptions['textfile']> & Pick<MetricsOptions, 'onFailed'>,
  ) {
    this.#scraping = scraping;
    this.#options = options;
  }

  start(): void {
    const write = (): void => {
      this.#writing = this.#writing.then(() => this.#write());
    };
    write();
    this.#interval = setInterval(write, this.#options.everyMs).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#interval);
    await this.#writing;
    rmSync(this.#options.path, { force: true });
  }

  async #write(): Promise<void> {
    const { path, onFailed } = this.#options;
    try {
      const text = await this.#scraping.told(path);
      if (text !== undefined) replace(path, text);
      this.#told = undefined;
    } catch (error) {
      const detail = textOf(error);
      if (detail !== this.#told) onFailed(path, detail);
      this.#told = detail;
    }
  }
}

/** For everybody to read: there is nothing in it that is anybody's secret. */
function replace(path: string, text: string): void {
  // The collector reads what ends with .prom.
  const temporary = join(dirname(path), `.${basename(path)}~`);
  rmSync(temporary, { force: true });
  const fd = openSync(temporary, 'wx', 0o644);
  try {
    fchmodSync(fd, 0o644);
    writeFileSync(fd, text);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
