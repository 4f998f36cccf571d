import type { Asked, AskOptions } from '../../../src/control/client.ts';

/** The daemon of a node, as its control socket reaches it. */
export type Listening = (
  options: Pick<AskOptions, 'command' | 'args'>,
  onProgress: (value: unknown) => void,
  signal: AbortSignal,
) => Promise<unknown>;

const daemons = new Map<string, Listening>();

export function listen(runtime: string, daemon: Listening): void {
  daemons.set(runtime, daemon);
}

export function unlisten(runtime: string): void {
  daemons.delete(runtime);
}

/** What travels is JSON, as over the socket. */
export async function askDaemon(options: AskOptions): Promise<Asked> {
  options.signal?.throwIfAborted();
  const daemon = daemons.get(options.runtime);
  if (daemon === undefined) return { answered: false };
  const signal = options.signal ?? new AbortController().signal;
  const { command, args } = options;
  const value = await daemon(
    { command, args: json(args) },
    (line) => options.onProgress?.(json(line)),
    signal,
  );
  signal.throwIfAborted();
  return { answered: true, value: json(value) };
}

function json(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
