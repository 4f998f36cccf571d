import koffi from 'koffi';

type SyncRange = (fd: number, from: number, bytes: number, flags: number) => number;

/** As in Linux's linux/fs.h; see sync_file_range(2). */
const startWriting = 2;
/** So much of a file gathers before its writing begins. Bytes. */
const stepBytes = 8 * 1024 * 1024;

let loaded: SyncRange | undefined;

/** Has the kernel begin to write dirty pages to the disk. It makes nothing durable, so whether it worked does not count. */
function startWriteBack(fd: number, from: number, bytes: number): void {
  loaded ??= koffi
    .load('libc.so.6')
    .func('int sync_file_range(int, int64_t, int64_t, unsigned int)') as SyncRange;
  loaded(fd, from, bytes, startWriting);
}

/**
 * Lets the disk write what was received of a large file while the rest is on its way, so that the fsync at its end finds
 * little left to do. Small files are left to that fsync.
 */
export class WriteBack {
  readonly #fd: number;
  readonly #start: typeof startWriteBack;
  #startedBytes = 0;

  constructor(fd: number, start: typeof startWriteBack = startWriteBack) {
    this.#fd = fd;
    this.#start = start;
  }

  /** So many bytes are written to the file by now, from its beginning and without a gap. */
  reached(bytes: number): void {
    if (bytes - this.#startedBytes < stepBytes) return;
    this.#start(this.#fd, this.#startedBytes, bytes - this.#startedBytes);
    this.#startedBytes = bytes;
  }
}
