import type { Xattrs } from '../core/entry.ts';
import type { PathFailure } from '../core/failure.ts';
import { aclBytes, aclText } from './acl.ts';
import { errnoFailure } from './errno.ts';
import { getXattr, listXattrs, removeXattr, setXattr, type Target } from './native.ts';

const none: Xattrs = Object.freeze({});

/**
 * Which attributes travel: users' own, SELinux labels, file capabilities and ACLs. Others belong to the
 * machine: trusted.* to its overlay and cluster file systems, security.ima and security.evm to its signing
 * keys, system.* but for ACLs to its file system.
 */
function travels(name: string): boolean {
  return (
    name.startsWith('user.') || name === 'security.selinux' || name === 'security.capability' || isAcl(name)
  );
}

function isAcl(name: string): boolean {
  return name === 'system.posix_acl_access' || name === 'system.posix_acl_default';
}

/** Whether the attributes hold names of accounts, which may change while the file does not. */
export function namesAccounts(xattrs: Xattrs): boolean {
  return Object.keys(xattrs).some(isAcl);
}

/**
 * The attributes of a name, links not followed, or of a descriptor, in the order of their names: base64, ACLs as
 * text. None where the file system has none. Throws a system error.
 */
export function readXattrs(target: Target): Xattrs {
  const names = listXattrs(target);
  if (names.length === 0) return none;
  const found: Record<string, string> = {};
  for (const name of names.filter(travels).sort()) {
    const value = getXattr(target, name);
    // Undefined: it was removed since the names were read.
    if (value !== undefined)
      found[name] = isAcl(name) ? readableAcl(target, value) : value.toString('base64');
  }
  return found;
}

/** An ACL in a form that is not known cannot be carried over by name, and must not pass for none. */
function readableAcl(target: Target, value: Buffer): string {
  const text = aclText(value);
  if (text !== undefined) return text;
  const problem = new Error(
    `EBADMSG: expected a POSIX ACL of version 2 '${target}', found ${value.toString('hex')}`,
  );
  throw Object.assign(problem, { code: 'EBADMSG', syscall: 'decoding the ACL of' });
}

/** Why these attributes can never be set on this node, whatever the file; undefined where nothing speaks against. */
export function checkXattrs(wanted: Xattrs): PathFailure | undefined {
  for (const [name, text] of Object.entries(wanted)) {
    const value = attributeBytes(name, text);
    if (!Buffer.isBuffer(value)) return value;
  }
  return undefined;
}

/**
 * Makes the travelling attributes of a name, links not followed, or of a descriptor equal to `wanted`; the others
 * stay. Everything is checked before anything is changed; a failure of the system in the middle leaves some changed.
 */
export function applyXattrs(target: Target, wanted: Xattrs): PathFailure | undefined {
  try {
    const present = readXattrs(target);
    const values: [string, Buffer][] = [];
    for (const [name, text] of Object.entries(wanted)) {
      if (present[name] === text) continue;
      const value = attributeBytes(name, text);
      if (!Buffer.isBuffer(value)) return value;
      values.push([name, value]);
    }
    for (const name of Object.keys(present)) if (!Object.hasOwn(wanted, name)) removeXattr(target, name);
    for (const [name, value] of values) setXattr(target, name, value);
    return undefined;
  } catch (error) {
    return errnoFailure(error);
  }
}

/** The bytes of an attribute as a peer sent it, or why there can be none. */
function attributeBytes(name: string, text: string): Buffer | PathFailure {
  if (!travels(name) || name.includes('\0'))
    return { reason: 'no-xattrs', detail: `expected an attribute that is replicated, found ${name}` };
  if (isAcl(name)) {
    const acl = aclBytes(text);
    if (acl.kind === 'bytes') return acl.bytes;
    if (acl.kind === 'malformed') return { reason: 'no-xattrs', detail: `expected an ACL, found ${text}` };
    return {
      reason: 'unknown-owner',
      detail: `the ACL ${text} names ${acl.name}, who does not exist on this node`,
    };
  }
  const value = Buffer.from(text, 'base64');
  if (value.toString('base64') === text) return value;
  return { reason: 'no-xattrs', detail: `expected base64 as the value of ${name}, found something else` };
}
