import { closeSync, constants as fs, openSync } from 'node:fs';
import { constants as os } from 'node:os';
import koffi from 'koffi';
import { belowDescriptor } from './below.ts';

/**
 * Calls of libc that Node lacks. Paths may lead through `/proc/self/fd`; they are text without NUL, which C
 * would take for the end. Descriptors that Node opens are closed on exec: libuv adds O_CLOEXEC to every open.
 */

/** `code`: the name of the errno, such as `EEXIST`. Where two names mean one number: EAGAIN and ENOTSUP. */
export type CallResult = { readonly ok: true } | { readonly ok: false; readonly code: string };

const atCwd = -100;
const symlinkNoFollow = 0x100;
const renameNoReplaceFlag = 1;
const renameExchangeFlag = 2;
const utimeOmit = (1n << 30n) - 2n;
const lockExclusive = 2;
const lockNonBlocking = 4;

/**
 * A name, links not followed, or an open descriptor. A descriptor cannot be swapped for another file by somebody
 * who may write to the directory.
 */
export type Target = string | number;

type ListCall<Of extends Target> = (of: Of, list: Buffer, size: number) => number;
type GetCall<Of extends Target> = (of: Of, name: string, value: Buffer, size: number) => number;
type SetCall<Of extends Target> = (
  of: Of,
  name: string,
  value: Uint8Array,
  size: number,
  flags: number,
) => number;
type RemoveCall<Of extends Target> = (of: Of, name: string) => number;

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
    futimens: library.func('int futimens(int, const int64_t *)') as (
      fd: number,
      times: BigInt64Array,
    ) => number,
    flock: library.func('int flock(int, int)') as (fd: number, operation: number) => number,
    llistxattr: library.func(
      'intptr_t llistxattr(const char *, _Out_ uint8_t *, size_t)',
    ) as ListCall<string>,
    flistxattr: library.func('intptr_t flistxattr(int, _Out_ uint8_t *, size_t)') as ListCall<number>,
    lgetxattr: library.func(
      'intptr_t lgetxattr(const char *, const char *, _Out_ uint8_t *, size_t)',
    ) as GetCall<string>,
    fgetxattr: library.func(
      'intptr_t fgetxattr(int, const char *, _Out_ uint8_t *, size_t)',
    ) as GetCall<number>,
    lsetxattr: library.func(
      'int lsetxattr(const char *, const char *, const uint8_t *, size_t, int)',
    ) as SetCall<string>,
    fsetxattr: library.func(
      'int fsetxattr(int, const char *, const uint8_t *, size_t, int)',
    ) as SetCall<number>,
    lremovexattr: library.func('int lremovexattr(const char *, const char *)') as RemoveCall<string>,
    fremovexattr: library.func('int fremovexattr(int, const char *)') as RemoveCall<number>,
    mallocTrim: library.func('int malloc_trim(size_t)') as (pad: number) => number,
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

/** The first name wins, as in Node's own errors: 11 is EAGAIN and not EWOULDBLOCK, 95 is ENOTSUP. */
const errnoNames = new Map(
  Object.entries(os.errno)
    .reverse()
    .map(([name, number]) => [number, name]),
);

/**
 * The errno of this thread. To be asked right after the call that failed, since anything between could set
 * another one; so it only names a failure, whether there was one the call's result has told.
 */
function lastCode(): string {
  const errno = koffi.errno();
  return errnoNames.get(errno) ?? `ERRNO${errno}`;
}

function withoutNul(text: string): string {
  if (text.includes('\0')) throw codedError('EINVAL', 'text with a NUL byte', text);
  return text;
}

function outcome(result: number): CallResult {
  return result === 0 ? { ok: true } : { ok: false, code: lastCode() };
}

function codedError(code: string, call: string, target: Target): Error & { readonly code: string } {
  const path = typeof target === 'string' ? target : `/proc/self/fd/${target}`;
  return Object.assign(new Error(`${code}: ${call} '${path}'`), { code, syscall: call, path });
}

/** As the errors of node:fs: with `code`, `syscall` and `path`. */
function systemError(call: string, target: Target): Error & { readonly code: string } {
  return codedError(lastCode(), call, target);
}

/** Swaps two existing names in one atomic step: renameat2 with RENAME_EXCHANGE. */
export function renameExchange(from: string, to: string): CallResult {
  return rename(from, to, renameExchangeFlag);
}

/** Renames unless `to` exists (`EEXIST`): renameat2 with RENAME_NOREPLACE. */
export function renameNoReplace(from: string, to: string): CallResult {
  return rename(from, to, renameNoReplaceFlag);
}

function rename(from: string, to: string, flag: number): CallResult {
  const a = belowDescriptor(withoutNul(from));
  const b = belowDescriptor(withoutNul(to));
  return outcome(libc().renameat2(a.directory, a.name, b.directory, b.name, flag));
}

/** Writes everything of the file system that holds `fd` to its disk. Throws a system error. */
export function syncFileSystem(fd: number): void {
  if (libc().syncfs(fd) !== 0) throw systemError('syncfs', String(fd));
}

/** Gives memory that was freed, but is held for later by libc, back to the system; malloc_trim(3). */
export function trimMalloc(): void {
  libc().mallocTrim(0);
}

/**
 * Sets the modification time; the access time stays. `mtime`:
 * `SECONDS.NANOSECONDS` with nine decimals, which count up from the seconds also before 1970. Throws a system
 * error, EINVAL for text that is no such time.
 */
export function setTimes(target: Target, mtime: string): void {
  const [, seconds, nanoseconds] = /^(-?\d{1,15})\.(\d{9})$/.exec(mtime) ?? [];
  if (seconds === undefined || nanoseconds === undefined)
    throw codedError('EINVAL', `utimensat to ${mtime}`, target);
  const times = BigInt64Array.of(0n, utimeOmit, BigInt(seconds), BigInt(nanoseconds));
  const { futimens, utimensat } = libc();
  const result =
    typeof target === 'number'
      ? futimens(target, times)
      : utimensat(atCwd, withoutNul(target), times, symlinkNoFollow);
  if (result !== 0) throw systemError('utimensat', target);
}

/**
 * An exclusive lock on a file, which is made (mode 0600) where it is missing. It lasts until `release` or the
 * end of the process. Undefined while somebody else holds it. Throws a system error.
 */
export function lockFile(path: string): { release(): void } | undefined {
  const fd = openSync(path, fs.O_CREAT | fs.O_RDWR | fs.O_NOFOLLOW, 0o600);
  if (libc().flock(fd, lockExclusive | lockNonBlocking) === 0) {
    let held = true;
    return {
      release: () => {
        // The number may belong to another file after the first release.
        if (held) closeSync(fd);
        held = false;
      },
    };
  }
  const error = systemError('flock', path);
  closeSync(fd);
  if (error.code === 'EAGAIN') return undefined;
  throw error;
}

/** XATTR_LIST_MAX and XATTR_SIZE_MAX of Linux: no list and no value is longer. */
const maxXattrBytes = 64 * 1024;
/** Linux makes room for as much as is asked for before it looks whether there is any: nearly no file has more names than this. */
const usualListBytes = 1024;
const listBuffer = Buffer.allocUnsafeSlow(maxXattrBytes);
const valueBuffer = Buffer.allocUnsafeSlow(maxXattrBytes);

/** Names of the extended attributes; none where the file system has no attributes. Throws a system error. */
export function listXattrs(target: Target): readonly string[] {
  const length = listInto(target, usualListBytes);
  if (length > 0) return listBuffer.toString('utf8', 0, length - 1).split('\0');
  if (length === 0) return noNames;
  const error = systemError('listxattr', target);
  if (error.code === 'ENOTSUP') return noNames;
  throw error;
}

/** The length of the list, 0 or less where there is none: the errno tells why. */
function listInto(target: Target, bytes: number): number {
  const { flistxattr, llistxattr } = libc();
  const length =
    typeof target === 'number'
      ? flistxattr(target, listBuffer, bytes)
      : llistxattr(withoutNul(target), listBuffer, bytes);
  const isShort = length < 0 && bytes < maxXattrBytes && lastCode() === 'ERANGE';
  return isShort ? listInto(target, maxXattrBytes) : length;
}

const noNames: readonly string[] = [];

/** The value, a copy; undefined when there is none of that name. Throws a system error. */
export function getXattr(target: Target, name: string): Buffer | undefined {
  const { fgetxattr, lgetxattr } = libc();
  const length =
    typeof target === 'number'
      ? fgetxattr(target, withoutNul(name), valueBuffer, maxXattrBytes)
      : lgetxattr(withoutNul(target), withoutNul(name), valueBuffer, maxXattrBytes);
  if (length >= 0) return Buffer.from(valueBuffer.subarray(0, length));
  const error = systemError(`getxattr ${name}`, target);
  if (error.code === 'ENODATA' || error.code === 'ENOTSUP') return undefined;
  throw error;
}

/** Whether the file system of a directory has attributes of users, as far as it says. Nothing is written. */
export function takesXattrs(directory: string): boolean {
  if (libc().lgetxattr(withoutNul(directory), 'user.bm-confsync', valueBuffer, maxXattrBytes) >= 0)
    return true;
  return systemError('getxattr', directory).code !== 'ENOTSUP';
}

/** Sets or replaces one attribute. Throws a system error. */
export function setXattr(target: Target, name: string, value: Uint8Array): void {
  const { fsetxattr, lsetxattr } = libc();
  const result =
    typeof target === 'number'
      ? fsetxattr(target, withoutNul(name), value, value.byteLength, 0)
      : lsetxattr(withoutNul(target), withoutNul(name), value, value.byteLength, 0);
  if (result !== 0) throw systemError(`setxattr ${name}`, target);
}

/** Removes one attribute; none of that name is fine. Throws a system error. */
export function removeXattr(target: Target, name: string): void {
  const { fremovexattr, lremovexattr } = libc();
  const result =
    typeof target === 'number'
      ? fremovexattr(target, withoutNul(name))
      : lremovexattr(withoutNul(target), withoutNul(name));
  if (result === 0) return;
  const error = systemError(`removexattr ${name}`, target);
  if (error.code !== 'ENODATA') throw error;
}

type Account = { readonly name: string; readonly uid: number; readonly gid: number };

/** What the call points to is overwritten by the next call, so it is copied at once. */
function decoded(pointer: unknown, type: Libc['user'] | Libc['group']): Account | undefined {
  return pointer === null ? undefined : (koffi.decode(pointer, type) as Account);
}

/** The name of a user by the system's name service; undefined where it knows none. */
export function userNameOf(uid: number): string | undefined {
  return decoded(libc().getpwuid(uid), libc().user)?.name;
}

/** The id of a user by the system's name service; undefined where it knows no such name. */
export function userIdOf(name: string): number | undefined {
  return name.includes('\0') ? undefined : decoded(libc().getpwnam(name), libc().user)?.uid;
}

/** As userNameOf, for a group. */
export function groupNameOf(gid: number): string | undefined {
  return decoded(libc().getgrgid(gid), libc().group)?.name;
}

/** As userIdOf, for a group. */
export function groupIdOf(name: string): number | undefined {
  return name.includes('\0') ? undefined : decoded(libc().getgrnam(name), libc().group)?.gid;
}
