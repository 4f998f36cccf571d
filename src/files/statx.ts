import koffi from 'koffi';

/**
 * A look at a name below an open directory by one call. Node's lstat takes a path, which has to lead through
 * `/proc/self/fd`, and makes a value of sixteen numbers: three times the time, where a walk does little else.
 */

type StatxCall = (directory: number, name: string, flags: number, mask: number, into: number) => number;

const symlinkNoFollow = 0x100;
/** What is looked at is the descriptor's own. */
const emptyPath = 0x1000;
/** AT_FDCWD: of an absolute path no directory is needed. */
const noDirectory = -100;
/** Type, mode, owner, inode, size and times. */
const wanted = 0x7ff;
const typeBits = 0o170000;
/** ENOENT, the same on every architecture. */
const noSuchName = 2;

/** struct statx of Linux, the same on every architecture, in units of four bytes. */
const at = {
  mask: 0,
  uid: 5,
  gid: 6,
  mode: 7,
  inode: 8,
  size: 10,
  ctime: 24,
  mtime: 28,
  device: 34,
} as const;

/**
 * How many numbers of 32 bits tell the state of an inode: device, inode, size, mtime, ctime, two each, then owner and
 * group. What the ctime tells: see stampOf.
 */
export const stateLength = 12;
/** Where they stand in struct statx. */
const inOrderOfState = [
  ...[at.device, at.device + 1, at.inode, at.inode + 1, at.size, at.size + 1],
  ...[at.mtime, at.mtime + 2, at.ctime, at.ctime + 2, at.uid, at.gid],
];
/** Those that a stamp tells as well. */
const stampLength = 10;
/** Of owner and group where they are not known: no file belongs to it. */
export const unknownId = 0xffff_ffff;

export type InodeType = 'file' | 'directory' | 'link';
const types: ReadonlyMap<number, InodeType> = new Map([
  [0o100000, 'file'],
  [0o040000, 'directory'],
  [0o120000, 'link'],
]);

let statx: StatxCall | undefined;

function load(): StatxCall {
  // The address as a number: to have a buffer turned into one at each call takes a quarter of the time of all.
  const call = koffi.load('libc.so.6').func('int statx(int, const char *, int, unsigned int, uintptr_t)');
  return call as StatxCall;
}

/** The newest look. All that it tells is of the name that was looked at last. */
export class Statx {
  /** Its bytes lie outside of the heap, where nothing is moved, and live as long as this does. */
  readonly #words = new Uint32Array(new ArrayBuffer(256));
  readonly #address = Number(koffi.address(this.#words));
  #isAbsent = false;
  /** The texts of the look that they were last asked of: looks at one file follow each other. */
  readonly #stamped = new Uint32Array(stampLength);
  #stamp = '';
  readonly #timed = new Uint32Array(2);
  #mtime = '';

  /**
   * The type of what is there, with a state that can be told; undefined for any other type, and for what needs a
   * closer look: no such name, an error, numbers beyond 2^53, times before 1970. Links are not followed. `.` is the directory itself.
   */
  look(directory: number, name: string): InodeType | undefined {
    this.#isAbsent = false;
    if (name === '' || name === '..' || name.includes('/') || name.includes('\0')) return undefined;
    return name === '.'
      ? this.#ask(directory, '', symlinkNoFollow | emptyPath)
      : this.#ask(directory, name, symlinkNoFollow);
  }

  /** As look, of what has an absolute path, which leads wherever links above its last name lead. */
  lookAt(path: string): InodeType | undefined {
    this.#isAbsent = false;
    return path.includes('\0') ? undefined : this.#ask(noDirectory, path, symlinkNoFollow);
  }

  #ask(directory: number, name: string, flags: number): InodeType | undefined {
    statx ??= load();
    if (statx(directory, name, flags, wanted, this.#address) !== 0) {
      this.#isAbsent = koffi.errno() === noSuchName;
      return undefined;
    }
    if ((this.#word(at.mask) & wanted) !== wanted) return undefined;
    if (!this.#isTime(at.mtime) || !this.#isTime(at.ctime)) return undefined;
    if (this.#word(at.inode + 1) >= 2 ** 21 || this.#word(at.size + 1) >= 2 ** 21) return undefined;
    return types.get(this.#word(at.mode) & typeBits);
  }

  /** Whether there was no such name. */
  get isAbsent(): boolean {
    return this.#isAbsent;
  }

  /** Whether it is in the state that begins at `from`. */
  isAs(states: Uint32Array, from: number): boolean {
    const words = this.#words;
    return (
      this.hasStampOf(states, from) &&
      words[at.uid] === states[from + stampLength] &&
      words[at.gid] === states[from + stampLength + 1]
    );
  }

  /** As isAs, whoever it belongs to: the ids of a state that was read from a stamp are not known. */
  hasStampOf(states: Uint32Array, from: number): boolean {
    const words = this.#words;
    return (
      words[at.ctime + 2] === states[from + 9] &&
      words[at.ctime] === states[from + 8] &&
      words[at.inode] === states[from + 2] &&
      words[at.size] === states[from + 4] &&
      words[at.mtime + 2] === states[from + 7] &&
      words[at.mtime] === states[from + 6] &&
      words[at.inode + 1] === states[from + 3] &&
      words[at.size + 1] === states[from + 5] &&
      words[at.device] === states[from] &&
      words[at.device + 1] === states[from + 1]
    );
  }

  /** The state, as isAs reads it. */
  get state(): number[] {
    return inOrderOfState.map((index) => this.#word(index));
  }

  /** As of stampOf. */
  get stamp(): string {
    if (this.#stamp !== '' && this.hasStampOf(this.#stamped, 0)) return this.#stamp;
    for (let part = 0; part < stampLength; part += 1)
      this.#stamped[part] = this.#word(inOrderOfState[part] ?? 0);
    this.#stamp = stampOfState(this.#stamped, 0);
    return this.#stamp;
  }

  /** Permission bits, set-user-id, set-group-id and sticky. */
  get mode(): number {
    return this.#word(at.mode) & 0o7777;
  }

  /** As of timeText. */
  get mtime(): string {
    const [seconds, rest] = [this.#word(at.mtime), this.#word(at.mtime + 2)];
    if (this.#mtime === '' || seconds !== this.#timed[0] || rest !== this.#timed[1]) {
      this.#timed[0] = seconds;
      this.#timed[1] = rest;
      this.#mtime = `${seconds}.${nanoseconds(rest)}`;
    }
    return this.#mtime;
  }

  /** Bytes. */
  get size(): number {
    return this.#word(at.size + 1) * 2 ** 32 + this.#word(at.size);
  }

  /** The number of its file system, as stat tells it. */
  get device(): number {
    return deviceNumber(this.#word(at.device), this.#word(at.device + 1));
  }

  get uid(): number {
    return this.#word(at.uid);
  }

  get gid(): number {
    return this.#word(at.gid);
  }

  /** When content or attributes changed last, milliseconds since 1970. */
  get changedAtMs(): number {
    return Math.max(this.#milliseconds(at.ctime), this.#milliseconds(at.mtime));
  }

  #milliseconds(index: number): number {
    return this.#word(index) * 1000 + Math.floor(this.#word(index + 2) / 1_000_000);
  }

  #word(index: number): number {
    return this.#words[index] ?? 0;
  }

  /** A number of seconds of 32 bits does not end before 2106. */
  #isTime(index: number): boolean {
    return this.#word(index + 1) === 0 && this.#word(index) !== 0;
  }
}

/** The stamp of the state that begins at `from`, as of stampOf. */
export function stampOfState(states: ArrayLike<number>, from: number): string {
  const of = (index: number): number => states[from + index] ?? 0;
  const wide = (index: number): number => of(index + 1) * 2 ** 32 + of(index);
  // Decimal, as of a bigint.
  const time = (index: number): string => `${of(index)}${nanoseconds(of(index + 1))}`;
  return stampOfParts(deviceNumber(of(0), of(1)), wide(2), wide(4), time(6), time(8));
}

type Decimal = number | bigint | string;

/** The text of a stamp. Both times in nanoseconds since 1970. */
export function stampOfParts(
  device: Decimal,
  inode: Decimal,
  size: Decimal,
  mtime: Decimal,
  ctime: Decimal,
): string {
  return `${device}:${inode}:${size}:${mtime}:${ctime}`;
}

/** Nine digits. */
function nanoseconds(count: number): string {
  return String(1_000_000_000 + count).slice(1);
}

const stampText = /^(\d{1,10}):(\d{1,16}):(\d{1,16}):(\d{1,10})(\d{9}):(\d{1,10})(\d{9})$/;

/** What a stamp tells of a state, with the ids unknown; undefined for a stamp that stampOfState would not give back. */
export function stateOfStamp(stamp: string): number[] | undefined {
  const [, device = '', inode = '', size = '', ...times] = stampText.exec(stamp) ?? [];
  if (times.length !== 4) return undefined;
  const whole = Number(device);
  const state = [
    ...[(whole >>> 8) & 0xfff, (whole & 0xff) | ((whole >>> 12) & 0xfff00)],
    ...[Number(inode), Number(size)].flatMap((number) => [number >>> 0, Math.floor(number / 2 ** 32)]),
    ...times.map(Number),
    ...[unknownId, unknownId],
  ];
  return stampOfState(state, 0) === stamp ? state : undefined;
}

/** The number that stat tells, put together as by makedev of glibc. */
function deviceNumber(major: number, minor: number): number {
  if (major === deviceRead.major && minor === deviceRead.minor) return deviceRead.number;
  const number = Number(
    (BigInt(major & 0xfff) << 8n) |
      (BigInt(major >>> 12) << 44n) |
      BigInt(minor & 0xff) |
      (BigInt(minor >>> 8) << 20n),
  );
  deviceRead = { major, minor, number };
  return number;
}

let deviceRead = { major: 0, minor: 0, number: 0 };
