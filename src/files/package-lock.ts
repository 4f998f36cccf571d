import { join } from 'node:path';
import { recordLockHolder } from './record-lock.ts';

/**
 * The files that dpkg and rpm hold a lock on while they change packages. Their mere presence says nothing: they are
 * never removed. `/usr/lib/sysimage` is where newer distributions keep the database of rpm.
 */
const lockFiles = [
  { by: 'dpkg', path: '/var/lib/dpkg/lock-frontend' },
  { by: 'dpkg', path: '/var/lib/dpkg/lock' },
  { by: 'rpm', path: '/var/lib/rpm/.rpm.lock' },
  { by: 'rpm', path: '/usr/lib/sysimage/rpm/.rpm.lock' },
] as const;

/** For how long an answer is good, so that asking before each file costs nothing, milliseconds. */
const freshMs = 50;
/** How often is looked whether a lock that was held still is, milliseconds. */
const pollMs = 1000;

export type HeldPackageLock = {
  readonly by: 'dpkg' | 'rpm';
  /** What is going on, for a person. */
  readonly sentence: string;
  /** When it was first seen, milliseconds since 1970. */
  readonly since: number;
};

export type PackageLockOptions = {
  /** Prefix of the paths of the lock files. */
  readonly root: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** A transaction that `held` told of is over. */
  readonly onRelease: () => void;
};

/** Whether the package manager is at work on this node. Looks when it is asked; polls only while it is. */
export class PackageLockWatch {
  readonly #options: PackageLockOptions;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #held: HeldPackageLock | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PackageLockOptions) {
    this.#options = options;
  }

  /** The transaction that runs now, if any. */
  held(): HeldPackageLock | undefined {
    const now = performance.now();
    if (now - this.#lookedAt < freshMs) return this.#held;
    this.#lookedAt = now;
    this.#held = this.#look();
    if (this.#held !== undefined) this.#poll();
    return this.#held;
  }

  #look(): HeldPackageLock | undefined {
    for (const { by, path } of lockFiles) {
      const pid = recordLockHolder(join(this.#options.root, path));
      if (pid === undefined) continue;
      const since = this.#held?.since ?? this.#options.now();
      return { by, since, sentence: `${by} (process ${pid}) holds ${path}: packages are being changed` };
    }
    return undefined;
  }

  #poll(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      // From the disk, whatever was asked in between.
      this.#lookedAt = Number.NEGATIVE_INFINITY;
      if (this.held() === undefined) this.#options.onRelease();
    }, pollMs);
    this.#timer.unref();
  }
}
