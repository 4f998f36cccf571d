import { StringDecoder } from 'node:string_decoder';
import { z } from 'zod';
import { failureShape } from '../wire/message.ts';

/**
 * The lines of the control socket: one request a connection, then any number of progress lines, then one
 * value or one error. Each is a JSON object on one line.
 */

/** A request has no reason to be longer. */
export const maxRequestBytes = 1024 * 1024;
/** An answer may list every path; it comes from a process that this user trusts. */
export const maxAnswerBytes = 64 * 1024 * 1024;

export const request = z.strictObject({ command: z.string().min(1).max(64), args: z.unknown() });
export type Request = { readonly command: string; readonly args: unknown };

/** How a handler tells the client about the way, before it answers. */
export type Reply = { progress(value: unknown): void };

export const answer = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('progress'), value: z.unknown() }),
  z.strictObject({ kind: z.literal('value'), value: z.unknown() }),
  z.strictObject({
    kind: z.literal('error'),
    error: failureShape,
  }),
]);
export type Answer = z.infer<typeof answer>;

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
