import { parseReplicaPath, type ReplicaPath } from '../core/path.ts';
import type { Observation } from './observation.ts';

/** Shorter paths of names that the disk gave cannot break a limit, at up to three bytes a unit. */
const longestUnchecked = 1365;

/** What is to be told of a path that the disk has and that breaks a limit of the system; undefined for any other. */
export function faultOf(path: ReplicaPath): Observation | undefined {
  if (path.length <= longestUnchecked) return undefined;
  const parsed = parseReplicaPath(path);
  if (parsed.ok) return undefined;
  return badPath(`expected a path within the limits of the system, found ${parsed.fault}`);
}

/** What is to be told of a name that is no text. */
export function notUtf8(name: Buffer): Observation {
  const found = `expected a name in valid UTF-8, found the bytes ${name.toString('hex')}`;
  return badPath(`${found}; rename it to have it replicated`);
}

function badPath(detail: string): Observation {
  return { kind: 'failed', failure: { reason: 'bad-path', detail } };
}
