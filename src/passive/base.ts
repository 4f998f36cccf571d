import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { PathFailure } from '../core/failure.ts';
import { errnoFailure } from '../files/errno.ts';
import type { Outcome, StagedFile } from '../files/place.ts';

const buffer = Buffer.allocUnsafeSlow(256 * 1024);

/**
 * The file of this node that a delta refers to, open for reading. Whatever is copied from it, the digest of the whole
 * decides whether what was built is what was meant: somebody may write to it meanwhile.
 */
export class BaseFile {
  readonly #fd: number;

  /** Takes over the descriptor of a regular file. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Appends a range of this file to what is staged. Both numbers come from the peer: what is not there is a failure. */
  copy(range: { readonly from: number; readonly bytes: number }, file: StagedFile): PathFailure | undefined {
    try {
      const { size } = fstatSync(this.#fd);
      if (range.from + range.bytes > size) return outside(range, size);
      for (let done = 0; done < range.bytes; ) {
        const read = readSync(
          this.#fd,
          buffer,
          0,
          Math.min(buffer.byteLength, range.bytes - done),
          range.from + done,
        );
        if (read === 0) return outside(range, range.from + done);
        const failure = file.write(buffer.subarray(0, read));
        if (failure !== undefined) return failure;
        done += read;
      }
      return undefined;
    } catch (error) {
      // Whatever is wrong with it, the content can come without it.
      return { ...errnoFailure(error), reason: 'digest-mismatch' };
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function outside({ from, bytes }: { from: number; bytes: number }, size: number): PathFailure {
  const detail = `expected ${bytes} bytes at ${from} of the file here, found that it ends at ${size}`;
  return { reason: 'digest-mismatch', detail };
}

/** Opens the file that a delta refers to. */
export function openBase(path: string): Outcome<BaseFile> {
  const opened = openExisting(path);
  // Whatever is wrong with it, the content can come without it.
  if (!opened.ok) return { ok: false, failure: { ...opened.failure, reason: 'need-content' } };
  return { ok: true, value: new BaseFile(opened.value) };
}

/** Opens a file of this node to read it; never a link, and never waits. */
export function openExisting(path: string): Outcome<number> {
  try {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    return { ok: true, value: openSync(path, flags) };
  } catch (error) {
    return { ok: false, failure: errnoFailure(error) };
  }
}
