import { groupId, groupName, ownerId, ownerName } from './owners.ts';

/**
 * POSIX ACLs as the kernel keeps them in extended attributes (linux/posix_acl_xattr.h, version 2): a u32
 * version, then entries of u16 tag, u16 permissions, u32 id, little endian. Ids differ between machines, so
 * ACLs travel as text with names.
 */

const version = 2;
const entryBytes = 8;
const noId = 0xffff_ffff;
const tags = {
  user: 0x01,
  'named-user': 0x02,
  group: 0x04,
  'named-group': 0x08,
  mask: 0x10,
  other: 0x20,
} as const;

type AclEntry = { readonly tag: number; readonly permissions: number; readonly id: number };

/**
 * `user::rw-,user:alice:r--,group::r--,mask::r--,other::r--`; undefined when the bytes are no ACL. Names are
 * percent-encoded, so that none can contain a separator.
 */
export function aclText(value: Buffer): string | undefined {
  if (value.length < 4 || (value.length - 4) % entryBytes !== 0 || value.readUInt32LE(0) !== version)
    return undefined;
  const parts: { tag: number; text: string }[] = [];
  for (let at = 4; at < value.length; at += entryBytes) {
    const tag = value.readUInt16LE(at);
    const text = entryText(tag, value.readUInt16LE(at + 2), value.readUInt32LE(at + 4));
    if (text === undefined) return undefined;
    parts.push({ tag, text });
  }
  // By name and not by id, so that the text is the same on machines with other ids.
  parts.sort((a, b) => a.tag - b.tag || (a.text < b.text ? -1 : 1));
  return parts.map(({ text }) => text).join(',');
}

function entryText(tag: number, permissions: number, id: number): string | undefined {
  if (permissions > 7) return undefined;
  const bits = `${permissions & 4 ? 'r' : '-'}${permissions & 2 ? 'w' : '-'}${permissions & 1 ? 'x' : '-'}`;
  switch (tag) {
    case tags.user:
      return `user::${bits}`;
    case tags['named-user']:
      return `user:${encodeURIComponent(ownerName(id))}:${bits}`;
    case tags.group:
      return `group::${bits}`;
    case tags['named-group']:
      return `group:${encodeURIComponent(groupName(id))}:${bits}`;
    case tags.mask:
      return `mask::${bits}`;
    case tags.other:
      return `other::${bits}`;
    default:
      return undefined;
  }
}

/**
 * The kernel's form of the text. `malformed`: it is no ACL. `unknown`: it names somebody whom this machine does
 * not know, the name being told.
 */
export type AclBytes =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'unknown'; readonly name: string };

/** The other way: text from anywhere, also from a peer, to the bytes of the attribute on this machine. */
export function aclBytes(text: string): AclBytes {
  const entries: AclEntry[] = [];
  for (const part of text.split(',')) {
    const entry = parseEntry(part);
    if ('kind' in entry) return entry;
    entries.push(entry);
  }
  if (!isComplete(entries)) return { kind: 'malformed' };

  // The kernel wants named entries in the order of their ids, which may be another one on this machine.
  entries.sort((a, b) => a.tag - b.tag || a.id - b.id);
  const bytes = Buffer.alloc(4 + entries.length * entryBytes);
  bytes.writeUInt32LE(version, 0);
  for (const [index, { tag, permissions, id }] of entries.entries()) {
    const at = 4 + index * entryBytes;
    bytes.writeUInt16LE(tag, at);
    bytes.writeUInt16LE(permissions, at + 2);
    bytes.writeUInt32LE(id, at + 4);
  }
  return { kind: 'bytes', bytes };
}

/** acl(5): exactly one user, group and other; one mask, and one is needed for named entries; nobody twice. */
function isComplete(entries: readonly AclEntry[]): boolean {
  const count = (tag: number): number => entries.filter((entry) => entry.tag === tag).length;
  const named = count(tags['named-user']) + count(tags['named-group']);
  const distinct = new Set(entries.map(({ tag, id }) => `${tag}:${id}`)).size;
  return (
    [tags.user, tags.group, tags.other].every((tag) => count(tag) === 1) &&
    (named === 0 || count(tags.mask) === 1) &&
    distinct === entries.length
  );
}

function parseEntry(part: string): AclEntry | Exclude<AclBytes, { kind: 'bytes' }> {
  const match = /^(user|group|mask|other):([^:]*):(r|-)(w|-)(x|-)$/.exec(part);
  if (match === null) return { kind: 'malformed' };
  const [, kind = '', encoded = '', r, w, x] = match;
  const permissions = (r === 'r' ? 4 : 0) + (w === 'w' ? 2 : 0) + (x === 'x' ? 1 : 0);
  if (encoded === '')
    return { tag: tags[kind as 'user' | 'group' | 'mask' | 'other'], permissions, id: noId };
  const name = decodedName(encoded);
  if (name === undefined || (kind !== 'user' && kind !== 'group')) return { kind: 'malformed' };
  const id = kind === 'user' ? ownerId(name) : groupId(name);
  if (id === undefined) return { kind: 'unknown', name };
  return { tag: kind === 'user' ? tags['named-user'] : tags['named-group'], permissions, id };
}

/** Undefined where the encoding is broken, which only a peer can send. */
function decodedName(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
