import { statSync } from 'node:fs';
import { groupIdOf, groupNameOf, userIdOf, userNameOf } from './native.ts';

/** Names and ids of owners and groups, as the system's name service knows them, remembered. */

const accountFiles = ['/etc/passwd', '/etc/group'];
/** The account files are looked at again after this long, milliseconds. */
const checkEveryMs = 1000;
/** Networked name services tell of no change: what is remembered goes after this long, milliseconds. */
const forgetAfterMs = 60_000;

const caches = {
  userName: new Map<number, string>(),
  groupName: new Map<number, string>(),
  userId: new Map<string, number>(),
  groupId: new Map<string, number>(),
};
let checkedAt = Number.NEGATIVE_INFINITY;
let forgottenAt = Number.NEGATIVE_INFINITY;
let seen = '';

/** Accounts that change while the daemon runs must be noticed: what is remembered goes when the files change. */
function refresh(): void {
  const now = performance.now();
  if (now - checkedAt < checkEveryMs) return;
  checkedAt = now;
  const stamps = accountFiles.map(stampOfFile).join();
  if (stamps === seen && now - forgottenAt < forgetAfterMs) return;
  seen = stamps;
  forgottenAt = now;
  for (const cache of Object.values(caches)) cache.clear();
}

function stampOfFile(file: string): string {
  const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? '-' : `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}`;
}

/**
 * What is unknown is not remembered: an account may have been made a moment before the push that needs it,
 * whose path would then wait for the next reconcile.
 */
function remembered<Key, Value>(
  cache: Map<Key, Value>,
  key: Key,
  find: (key: Key) => Value | undefined,
): Value | undefined {
  refresh();
  const known = cache.get(key);
  if (known !== undefined) return known;
  const value = find(key);
  if (value !== undefined) cache.set(key, value);
  return value;
}

/** The owner's name; the decimal id where no name is known (for up to a second after one was given). */
export function ownerName(uid: number): string {
  return remembered(caches.userName, uid, (id) => userNameOf(id) ?? String(id)) ?? String(uid);
}

/** As ownerName, for a group. */
export function groupName(gid: number): string {
  return remembered(caches.groupName, gid, (id) => groupNameOf(id) ?? String(id)) ?? String(gid);
}

/** The id of an owner, decimal text standing for itself; undefined for a name that this machine does not know. */
export function ownerId(name: string): number | undefined {
  return remembered(caches.userId, name, (wanted) => userIdOf(wanted) ?? numeric(wanted));
}

/** As ownerId, for a group. */
export function groupId(name: string): number | undefined {
  return remembered(caches.groupId, name, (wanted) => groupIdOf(wanted) ?? numeric(wanted));
}

/** 2^32-1 means "leave as it is" to chown, so it is no id. */
function numeric(name: string): number | undefined {
  if (!/^(0|[1-9]\d{0,9})$/.test(name)) return undefined;
  const id = Number(name);
  return id < 0xffff_ffff ? id : undefined;
}
