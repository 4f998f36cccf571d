import type { Absent, Entry, FileEntry } from '../core/entry.ts';
import { parseReplicaPath, type ReplicaPath } from '../core/path.ts';

/** A push of one file or of its absence, and of no group: nearly all that there are. */
export type PlainPush = {
  t: 'push';
  id: number;
  epoch: number;
  path: ReplicaPath;
  expect: Entry;
  put: Entry;
  content: 'none' | 'inline' | 'stream' | 'delta' | 'local';
};

const contents: readonly string[] = [
  'none',
  'inline',
  'stream',
  'delta',
  'local',
] satisfies PlainPush['content'][];
const digestShape = /^[0-9a-f]{64}$/;
const mtimeShape = /^-?\d{1,19}\.\d{9}$/;
const mostNameLength = 256;

/**
 * What the full check of the shape (`message.ts`) says of such a push, at a small part of its cost. Undefined: it is
 * something else, or not well-formed, and the full check has to tell. Never takes what the full check would refuse.
 */
export function plainPush(raw: unknown): PlainPush | undefined {
  if (!isRecord(raw) || raw['t'] !== 'push' || Object.keys(raw).length !== 7) return undefined;
  const { id, epoch, path, content } = raw;
  if (!isCount(id) || !isCount(epoch) || typeof path !== 'string' || !isContent(content)) return undefined;
  const expect = plainEntry(raw['expect']);
  const put = plainEntry(raw['put']);
  const parsed = parseReplicaPath(path);
  if (expect === undefined || put === undefined || !parsed.ok) return undefined;
  return { t: 'push', id, epoch, path: parsed.path, expect, put, content };
}

function plainEntry(raw: unknown): Absent | FileEntry | undefined {
  if (!isRecord(raw)) return undefined;
  const keys = Object.keys(raw).length;
  if (raw['kind'] === 'absent') return keys === 1 ? { kind: 'absent' } : undefined;
  if (raw['kind'] !== 'file' || keys !== 8) return undefined;
  const { digest, size, mode, owner, group, mtime, xattrs } = raw;
  if (!isCount(size) || !isCount(mode) || mode > 0o7777 || !isName(owner) || !isName(group)) return undefined;
  if (typeof digest !== 'string' || !digestShape.test(digest)) return undefined;
  if (typeof mtime !== 'string' || !mtimeShape.test(mtime)) return undefined;
  if (!isRecord(xattrs) || Object.keys(xattrs).length > 0) return undefined;
  return { kind: 'file', digest, size, mode, owner, group, mtime, xattrs: {} };
}

function isRecord(raw: unknown): raw is Record<string, unknown> {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw);
}

/** A whole number from 0 to 2^53-1. */
function isCount(raw: unknown): raw is number {
  return typeof raw === 'number' && Number.isSafeInteger(raw) && raw >= 0;
}

function isName(raw: unknown): raw is string {
  return typeof raw === 'string' && raw !== '' && raw.length <= mostNameLength;
}

function isContent(raw: unknown): raw is PlainPush['content'] {
  return typeof raw === 'string' && contents.includes(raw);
}
