import type { Xattrs } from '../core/entry.ts';
import type { PathFailure } from '../core/failure.ts';
import { aclBytes, aclText } from './acl.ts';
import { errnoFailure } from './errno.ts';
import { getXattr, listXattrs, removeXattr, setXattr } from './native.ts';

const none: Xattrs = Object.freeze({});

/**
 * Which attributes travel: users' own, SELinux labels, file capabilities and ACLs. Others belong to the
 * machine: trusted.* to its overlay file systems, security.ima and security.evm to its signing keys.
 */
function travels(name: string): boolean {
  return (
    name.startsWith('user.') || name === 'security.selinux' || name === 'security.capability' || isAcl(name)
  );
}

function isAcl(name: string): boolean {
  return name === 'system.posix_acl_access' || name === 'system.posix_acl_default';
}

/** The attributes of the name itself, links not followed. Throws a system error. */
export function readXattrs(path: string): Xattrs {
  const names = listXattrs(path);
  if (names === undefined || names.length === 0) return none;
  const found: Record<string, string> = {};
  for (const name of names.filter(travels).sort()) {
    const value = getXattr(path, name);
    if (value === undefined) continue;
    found[name] = (isAcl(name) ? aclText(value) : undefined) ?? value.toString('base64');
  }
  return found;
}

/** Makes the travelling attributes of the name equal to `wanted`; the others stay. */
export function applyXattrs(path: string, wanted: Xattrs): PathFailure | undefined {
  try {
    const present = readXattrs(path);
    for (const name of Object.keys(present)) if (wanted[name] === undefined) removeXattr(path, name);
    for (const [name, text] of Object.entries(wanted)) {
      if (present[name] === text) continue;
      if (!travels(name))
        return { reason: 'no-xattrs', detail: `the attribute ${name} is not one that is replicated` };
      const value = isAcl(name) ? aclBytes(text) : Buffer.from(text, 'base64');
      if (value === undefined)
        return {
          reason: 'unknown-owner',
          detail: `the ACL ${text} names somebody who does not exist on this node`,
        };
      setXattr(path, name, value);
    }
    return undefined;
  } catch (error) {
    return errnoFailure(error);
  }
}
