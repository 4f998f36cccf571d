import { StringDecoder } from 'node:string_decoder';
import { type Exit, exitCodes, type FailureFields } from '../core/failure.ts';

/**
 * The lines of the control socket: one request a connection, then any number of progress lines, then one
 * value or one error. Each is a JSON object on one line.
 */

/** A request has no reason to be longer. */
export const maxRequestBytes = 1024 * 1024;
/** An answer may list every path; it comes from a process that this user trusts. */
export const maxAnswerBytes = 64 * 1024 * 1024;

export type Request = { readonly command: string; readonly args: unknown };

/** How a handler tells the client about the way, before it answers. */
export type Reply = { progress(value: unknown): void };

export type Answer =
  | { readonly kind: 'progress'; readonly value: unknown }
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'error'; readonly error: FailureFields };

/** What a line is, if it is an answer. By hand: a schema would take longer to load than the command takes. */
export function parseAnswer(line: unknown): Answer | undefined {
  if (!isRecord(line)) return undefined;
  if (line['kind'] === 'progress' || line['kind'] === 'value')
    return { kind: line['kind'], value: line['value'] };
  const error = line['error'];
  if (line['kind'] !== 'error' || !isRecord(error)) return undefined;
  const { code, exit, message, hint } = error;
  if (typeof code !== 'string' || typeof message !== 'string' || typeof hint !== 'string') return undefined;
  if (typeof exit !== 'string' || !isExit(exit)) return undefined;
  return { kind: 'error', error: { code, exit, message, hint } };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isExit(text: string): text is Exit {
  return Object.hasOwn(exitCodes, text);
}

export type Lines =
  | { readonly kind: 'lines'; readonly lines: readonly string[] }
  | { readonly kind: 'too-long' };

/** Cuts chunks into lines. What it holds back is never more than `maxBytes`. */
export class LineSplitter {
  readonly #maxBytes: number;
  readonly #decoder = new StringDecoder('utf8');
  #parts: string[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  push(chunk: Buffer): Lines {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      if (!this.#hold(chunk.subarray(start, end))) return { kind: 'too-long' };
      lines.push(this.#parts.join(''));
      this.#parts = [];
      this.#bytes = 0;
      start = end + 1;
    }
    if (!this.#hold(chunk.subarray(start))) return { kind: 'too-long' };
    return { kind: 'lines', lines };
  }

  #hold(part: Buffer): boolean {
    this.#bytes += part.length;
    if (this.#bytes > this.#maxBytes) return false;
    this.#parts.push(this.#decoder.write(part));
    return true;
  }
}

/** JSON of a line, or undefined. */
export function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
