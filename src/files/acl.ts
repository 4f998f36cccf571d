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

/** `user::rw-,user:alice:r--,group::r--,mask::r--,other::r--`; undefined when the bytes are no ACL. */
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

/** The kernel's form of the text; undefined when it is no ACL, or names somebody this machine does not know. */
export function aclBytes(text: string): Buffer | undefined {
  const parts = text.split(',');
  const value = Buffer.alloc(4 + parts.length * entryBytes);
  value.writeUInt32LE(version, 0);
  const entries = parts.map(parseEntry);
  if (entries.some((entry) => entry === undefined)) return undefined;
  // The kernel wants named entries in the order of their ids, which may be another one on this machine.
  const sorted = entries.filter((entry) => entry !== undefined).sort((a, b) => a.tag - b.tag || a.id - b.id);
  for (const [index, { tag, permissions, id }] of sorted.entries()) {
    const at = 4 + index * entryBytes;
    value.writeUInt16LE(tag, at);
    value.writeUInt16LE(permissions, at + 2);
    value.writeUInt32LE(id, at + 4);
  }
  return value;
}

function parseEntry(part: string): { tag: number; permissions: number; id: number } | undefined {
  const match = /^(user|group|mask|other):([^:]*):(r|-)(w|-)(x|-)$/.exec(part);
  if (match === null) return undefined;
  const [, kind = '', name = '', r, w, x] = match;
  const permissions = (r === 'r' ? 4 : 0) + (w === 'w' ? 2 : 0) + (x === 'x' ? 1 : 0);
  if (name === '') return { tag: tags[kind as 'user' | 'group' | 'mask' | 'other'], permissions, id: noId };
  const id =
    kind === 'user'
      ? ownerId(decodeURIComponent(name))
      : kind === 'group'
        ? groupId(decodeURIComponent(name))
        : undefined;
  if (id === undefined) return undefined;
  return { tag: kind === 'user' ? tags['named-user'] : tags['named-group'], permissions, id };
}
