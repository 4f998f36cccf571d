import { statSync } from 'node:fs';
import { groupIdOf, groupNameOf, userId, userName } from './native.ts';

/** Names and ids of owners and groups, as the system's name service knows them, remembered. */

const accountFiles = ['/etc/passwd', '/etc/group'];
/** The account files are looked at again after this long, milliseconds. */
const checkEveryMs = 1000;

const caches = {
  userName: new Map<number, string>(),
  groupName: new Map<number, string>(),
  userId: new Map<string, number | undefined>(),
  groupId: new Map<string, number | undefined>(),
};
let checkedAt = Number.NEGATIVE_INFINITY;
let seen = '';

/** Accounts that change while the daemon runs must be noticed: what is remembered goes when the files change. */
function refresh(): void {
  const now = performance.now();
  if (now - checkedAt < checkEveryMs) return;
  checkedAt = now;
  const stamps = accountFiles.map((file) => {
    const stats = statSync(file, { throwIfNoEntry: false });
    return stats === undefined ? '-' : `${stats.ino}:${stats.mtimeMs}:${stats.size}`;
  });
  if (stamps.join() === seen) return;
  seen = stamps.join();
  for (const cache of Object.values(caches)) cache.clear();
}

function remembered<Key, Value>(cache: Map<Key, Value>, key: Key, find: (key: Key) => Value): Value {
  refresh();
  const known = cache.get(key);
  if (known !== undefined || cache.has(key)) return known as Value;
  const value = find(key);
  cache.set(key, value);
  return value;
}

/** The owner's name; the decimal id where no name is known. */
export function ownerName(uid: number): string {
  return remembered(caches.userName, uid, (id) => userName(id) ?? String(id));
}

export function groupName(gid: number): string {
  return remembered(caches.groupName, gid, (id) => groupNameOf(id) ?? String(id));
}

/** The id of an owner; undefined for a name that this machine does not know. */
export function ownerId(name: string): number | undefined {
  return remembered(caches.userId, name, (wanted) => userId(wanted) ?? numeric(wanted));
}

export function groupId(name: string): number | undefined {
  return remembered(caches.groupId, name, (wanted) => groupIdOf(wanted) ?? numeric(wanted));
}

/** 2^32-1 means "leave as it is" to chown, so it is no id. */
function numeric(name: string): number | undefined {
  if (!/^(0|[1-9]\d{0,9})$/.test(name)) return undefined;
  const id = Number(name);
  return id < 0xffff_ffff ? id : undefined;
}
