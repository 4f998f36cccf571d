import { closeSync, constants as fs, openSync } from 'node:fs';
import { constants as os } from 'node:os';
import koffi from 'koffi';

/** Calls of libc that Node lacks. Paths may lead through `/proc/self/fd`. */

export type CallResult = { readonly ok: true } | { readonly ok: false; readonly code: string };

const atCwd = -100;
const symlinkNoFollow = 0x100;
const renameNoReplaceFlag = 1;
const renameExchangeFlag = 2;
const utimeOmit = (1n << 30n) - 2n;
const setLease = 1024;
const lockExclusive = 2;
const lockNonBlocking = 4;

type Libc = ReturnType<typeof load>;
let loaded: Libc | undefined;

function load() {
  const library = koffi.load('libc.so.6');
  const user = koffi.struct({
    name: 'const char *',
    password: 'const char *',
    uid: 'uint32_t',
    gid: 'uint32_t',
  });
  const group = koffi.struct({ name: 'const char *', password: 'const char *', gid: 'uint32_t' });
  return {
    user,
    group,
    renameat2: library.func('int renameat2(int, const char *, int, const char *, unsigned int)') as (
      a: number,
      from: string,
      b: number,
      to: string,
      flags: number,
    ) => number,
    syncfs: library.func('int syncfs(int)') as (fd: number) => number,
    utimensat: library.func('int utimensat(int, const char *, const int64_t *, int)') as (
      fd: number,
      path: string,
      times: BigInt64Array,
      flags: number,
    ) => number,
    fcntl: library.func('int fcntl(int, int, ...)') as (
      fd: number,
      command: number,
      type: string,
      value: number,
    ) => number,
    flock: library.func('int flock(int, int)') as (fd: number, operation: number) => number,
    llistxattr: library.func('intptr_t llistxattr(const char *, _Out_ uint8_t *, size_t)') as (
      path: string,
      list: Buffer,
      size: number,
    ) => number,
    lgetxattr: library.func('intptr_t lgetxattr(const char *, const char *, _Out_ uint8_t *, size_t)') as (
      path: string,
      name: string,
      value: Buffer,
      size: number,
    ) => number,
    lsetxattr: library.func('int lsetxattr(const char *, const char *, const uint8_t *, size_t, int)') as (
      path: string,
      name: string,
      value: Uint8Array,
      size: number,
      flags: number,
    ) => number,
    lremovexattr: library.func('int lremovexattr(const char *, const char *)') as (
      path: string,
      name: string,
    ) => number,
    getpwuid: library.func('void *getpwuid(uint32_t)') as (uid: number) => unknown,
    getpwnam: library.func('void *getpwnam(const char *)') as (name: string) => unknown,
    getgrgid: library.func('void *getgrgid(uint32_t)') as (gid: number) => unknown,
    getgrnam: library.func('void *getgrnam(const char *)') as (name: string) => unknown,
  };
}

function libc(): Libc {
  loaded ??= load();
  return loaded;
}

const errnoNames = new Map(Object.entries(os.errno).map(([name, number]) => [number, name]));

function lastCode(): string {
  const errno = koffi.errno();
  return errnoNames.get(errno) ?? `ERRNO${errno}`;
}

function outcome(result: number): CallResult {
  return result === 0 ? { ok: true } : { ok: false, code: lastCode() };
}

function systemError(call: string, path: string): Error {
  const code = lastCode();
  return Object.assign(new Error(`${code}: ${call} '${path}'`), { code, syscall: call });
}

/** Swaps two existing names in one atomic step: renameat2 with RENAME_EXCHANGE. */
export function renameExchange(from: string, to: string): CallResult {
  return outcome(libc().renameat2(atCwd, from, atCwd, to, renameExchangeFlag));
}

/** Renames unless `to` exists (`EEXIST`): renameat2 with RENAME_NOREPLACE. */
export function renameNoReplace(from: string, to: string): CallResult {
  return outcome(libc().renameat2(atCwd, from, atCwd, to, renameNoReplaceFlag));
}

/** Writes everything of the file system that holds `fd` to its disk. Throws a system error. */
export function syncFileSystem(fd: number): void {
  if (libc().syncfs(fd) !== 0) throw systemError('syncfs', String(fd));
}

/** Sets the modification time, `SECONDS.NANOSECONDS` with nine decimals, of the name itself. Throws a system error. */
export function setTimes(path: string, mtime: string): void {
  const [seconds = '0', nanoseconds = '0'] = mtime.split('.');
  const times = BigInt64Array.of(0n, utimeOmit, BigInt(seconds), BigInt(nanoseconds));
  if (libc().utimensat(atCwd, path, times, symlinkNoFollow) !== 0) throw systemError('utimensat', path);
}

let listening = false;

/**
 * Whether any process has the file open for writing. `fd` is open for reading only. The kernel grants a
 * read lease exactly when nobody has; it is given back at once. Undefined where leases are not available.
 */
export function isOpenForWriting(fd: number): boolean | undefined {
  if (!listening) {
    // Somebody who opens the file while we hold the lease makes the kernel send SIGIO, which would end the process.
    process.on('SIGIO', () => undefined);
    listening = true;
  }
  const { fcntl } = libc();
  if (fcntl(fd, setLease, 'int', 0) === 0) {
    fcntl(fd, setLease, 'int', 2);
    return false;
  }
  return lastCode() === 'EAGAIN' ? true : undefined;
}

/** An exclusive lock on a file, which is made where it is missing. Undefined while somebody else holds it. */
export function lockFile(path: string): { release(): void } | undefined {
  const fd = openSync(path, fs.O_CREAT | fs.O_RDWR, 0o600);
  if (libc().flock(fd, lockExclusive | lockNonBlocking) === 0) return { release: () => closeSync(fd) };
  const code = lastCode();
  closeSync(fd);
  if (code === 'EAGAIN') return undefined;
  throw Object.assign(new Error(`${code}: flock '${path}'`), { code });
}

const listBuffer = Buffer.allocUnsafe(64 * 1024);
const valueBuffer = Buffer.allocUnsafe(64 * 1024);

/** Names of the extended attributes; undefined where the file system has none. Throws a system error. */
export function listXattrs(path: string): string[] | undefined {
  const length = libc().llistxattr(path, listBuffer, listBuffer.length);
  if (length > 0) return listBuffer.toString('utf8', 0, length - 1).split('\0');
  if (length === 0) return [];
  const code = lastCode();
  if (code === 'ENOTSUP' || code === 'EOPNOTSUPP') return undefined;
  throw Object.assign(new Error(`${code}: llistxattr '${path}'`), { code });
}

/** The value, a copy; undefined when there is none of that name. Throws a system error. */
export function getXattr(path: string, name: string): Buffer | undefined {
  const length = libc().lgetxattr(path, name, valueBuffer, valueBuffer.length);
  if (length >= 0) return Buffer.from(valueBuffer.subarray(0, length));
  const code = lastCode();
  if (code === 'ENODATA' || code === 'ENOTSUP') return undefined;
  throw Object.assign(new Error(`${code}: lgetxattr ${name} of '${path}'`), { code });
}

export function setXattr(path: string, name: string, value: Uint8Array): void {
  if (libc().lsetxattr(path, name, value, value.byteLength, 0) !== 0)
    throw systemError(`lsetxattr ${name}`, path);
}

export function removeXattr(path: string, name: string): void {
  if (libc().lremovexattr(path, name) !== 0) throw systemError(`lremovexattr ${name}`, path);
}

type Account = { name: string; uid: number; gid: number };

function decoded(pointer: unknown, type: Libc['user'] | Libc['group']): Account | undefined {
  return pointer === null || pointer === undefined
    ? undefined
    : (koffi.decode(pointer as never, type) as Account);
}

export function userName(uid: number): string | undefined {
  return decoded(libc().getpwuid(uid), libc().user)?.name;
}

export function userId(name: string): number | undefined {
  return decoded(libc().getpwnam(name), libc().user)?.uid;
}

export function groupNameOf(gid: number): string | undefined {
  return decoded(libc().getgrgid(gid), libc().group)?.name;
}

export function groupIdOf(name: string): number | undefined {
  return decoded(libc().getgrnam(name), libc().group)?.gid;
}
