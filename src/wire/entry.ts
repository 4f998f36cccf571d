import * as z from 'zod';
import type { Entry, Xattrs } from '../core/entry.ts';
import { parseReplicaPath, type ReplicaPath } from '../core/path.ts';

/** The shapes of paths and entries as they come from the peer, from a file or from a database of ours. */

export const path = z.string().transform((raw, context): ReplicaPath => {
  const parsed = parseReplicaPath(raw);
  if (parsed.ok) return parsed.path;
  context.addIssue({ code: 'custom', message: `a path that is ${parsed.fault}` });
  return z.NEVER;
});

export const name = z.string().min(1).max(256);
const mode = z.int().min(0).max(0o7777);

/** XATTR_NAME_MAX of Linux, and more of each than any file system keeps for one inode. */
const xattrLimits = { nameLength: 255, count: 64, valueLength: 128 * 1024, totalLength: 256 * 1024 };

// Not a z.record, which passes over a key named __proto__.
const xattrs = z.custom<Xattrs>((raw) => {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return false;
  const entries: [string, unknown][] = Object.entries(raw);
  let left = xattrLimits.totalLength;
  for (const [key, value] of entries) {
    if (key === '' || key === '__proto__' || key.length > xattrLimits.nameLength || typeof value !== 'string')
      return false;
    if (value.length > xattrLimits.valueLength) return false;
    left -= value.length;
  }
  return entries.length <= xattrLimits.count && left >= 0;
}, 'extended attributes as names and texts');

const maxTargetBytes = 4095;
const target = z
  .string()
  .min(1)
  .refine(
    (text) =>
      !text.includes('\0') && !/\p{Surrogate}/u.test(text) && Buffer.byteLength(text) <= maxTargetBytes,
    'the target of a link as Linux takes it',
  );

export const entry: z.ZodType<Entry> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('absent') }),
  z.strictObject({
    kind: z.literal('file'),
    digest: z.string().regex(/^[0-9a-f]{64}$/),
    size: z.int().nonnegative(),
    mode,
    owner: name,
    group: name,
    mtime: z.string().regex(/^-?\d{1,19}\.\d{9}$/),
    xattrs,
  }),
  z.strictObject({ kind: z.literal('directory'), mode, owner: name, group: name, xattrs }),
  z.strictObject({
    kind: z.literal('symlink'),
    target,
    owner: name,
    group: name,
  }),
]);

/** Checks an entry that comes from a file or a database of ours. */
export function parseEntry(raw: unknown): Entry | undefined {
  const parsed = entry.safeParse(raw);
  return parsed.success ? parsed.data : undefined;
}
