import { type Stats, statfsSync } from 'node:fs';

/**
 * File systems on which a directory's count of links is 2 and one for each directory in it, because of their `..`: ext2,
 * ext3 and ext4, XFS, tmpfs. Where the count is not kept, ext4 says 1, as others always do.
 */
const counting: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x01021994]);

/** Tells the directories that have no directory in them without listing them: more than half of a usual tree. */
export class Leaves {
  readonly #typeOf: (path: string) => number;
  /** By device. */
  readonly #counting = new Map<number, boolean>();

  /** `typeOf`: the type of the file system that holds a path. Default: as statfs(2) tells. */
  constructor(typeOf: (path: string) => number = (path) => statfsSync(path).type) {
    this.#typeOf = typeOf;
  }

  /** Whether that directory had none in it when its state was taken. False where it is not certain. */
  isLeaf(path: string, { nlink, dev }: Pick<Stats, 'nlink' | 'dev'>): boolean {
    if (nlink !== 2) return false;
    const known = this.#counting.get(dev) ?? this.#isCounting(path);
    this.#counting.set(dev, known);
    return known;
  }

  #isCounting(path: string): boolean {
    try {
      return counting.has(this.#typeOf(path));
    } catch {
      // Gone meanwhile, or nobody may ask: it is listed, as on any other file system.
      return false;
    }
  }
}
