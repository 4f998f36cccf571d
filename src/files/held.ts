import { closeSync, constants, openSync } from 'node:fs';
import type { FileEntry } from '../core/entry.ts';
import { errnoCode } from './errno.ts';
import { giveLeaseBack, isLeaseWhole, takeLease } from './lease.ts';
import type { Observation } from './observation.ts';
import { attributesOf } from './observe.ts';
import { inodeOfStamp, type Stats, statsAt, statsOfOpen } from './stats.ts';

const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * A file under a lease, while it gets another name. Between its look and the lease its ctime tells of any change; from
 * then on nobody can open it to write, or have a mapping. So what it holds need not be read to be known.
 */
export class HeldFile {
  readonly #fd: number;
  readonly #before: Stats;

  private constructor(fd: number, before: Stats) {
    this.#fd = fd;
    this.#before = before;
  }

  /**
   * Undefined where it is not any more what was seen with this stamp, somebody has it open for writing, or there are no
   * leases. A change since the look must show in the times: see `tellsOfChanges`.
   */
  static hold(path: string, stamp: string): HeldFile | undefined {
    const fd = openIfThere(path);
    if (fd === undefined) return undefined;
    try {
      // The lease comes first, so that nothing happens behind the comparison.
      if (takeLease(fd) === 'taken') {
        const before = statsOfOpen(fd);
        if (before.type === 'file' && before.stamp === stamp) return new HeldFile(fd, before);
      }
      closeSync(fd);
      return undefined;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /**
   * What has the name `path` now, if it is this file and nobody wanted to write to it until now: `entry` with the attributes that
   * it has by now. Undefined where only reading it tells. The lease is given back in any case.
   */
  movedTo(path: string, entry: FileEntry): Extract<Observation, { kind: 'entry' }> | undefined {
    try {
      const now = statsAt(path);
      const before = this.#before;
      const same =
        now !== undefined &&
        inodeOfStamp(now.stamp) === inodeOfStamp(before.stamp) &&
        now.size === before.size &&
        now.mtime === before.mtime;
      if (!same) return undefined;
      const seen = { ...entry, ...attributesOf(this.#fd, now) };
      if (statsAt(path)?.stamp !== now.stamp || !isLeaseWhole(this.#fd)) return undefined;
      return { kind: 'entry', entry: seen, stamp: now.stamp };
    } catch (error) {
      if (errnoCode(error) === '') throw error;
      return undefined;
    } finally {
      giveLeaseBack(this.#fd);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, flags);
  } catch (error) {
    if (errnoCode(error) === '') throw error;
    return undefined;
  }
}
