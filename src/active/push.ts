import { absent, type Entry } from '../core/entry.ts';
import { retryOf } from '../core/failure.ts';
import { ancestorsOf, type ReplicaPath } from '../core/path.ts';
import type { Push } from '../core/plan.ts';
import type { PushOutcome, Session } from './session.ts';
import type { Tree } from './tree.ts';

/**
 * Sends one push with as little content as may do: none where the peer is expected to hold it already, and
 * again in full where it does not. Directories that only lead to a listed file are made on the way.
 */
export async function pushEntry(session: Session, tree: Tree, push: Push): Promise<PushOutcome> {
  let outcome = await send(session, tree, push, push.expect);
  if (outcome.kind === 'refused' && retryOf[outcome.reason] === 'with-content') {
    outcome = await send(session, tree, push, absent);
  }
  const orphan = outcome.kind === 'refused' && outcome.reason === 'parent-missing';
  if (orphan && (await pushParents(session, tree, push.path))) {
    outcome = await send(session, tree, push, absent);
  }
  return outcome;
}

/** `known`: what the peer is taken to hold, so that its content need not travel. */
function send(session: Session, tree: Tree, push: Push, known: Entry): Promise<PushOutcome> {
  const content = tree.content(push.path, known, push.put);
  return content === undefined ? Promise.resolve({ kind: 'changed' }) : session.push(push, content);
}

/** False: no directory leads to the path that is not replicated itself. */
async function pushParents(session: Session, tree: Tree, path: ReplicaPath): Promise<boolean> {
  const implied = ancestorsOf(path).filter((ancestor) => tree.watchlists.impliedDirectory(ancestor));
  for (const ancestor of implied) {
    const seen = tree.observe(ancestor);
    if (seen.kind !== 'entry' || seen.entry.kind !== 'directory') return false;
    await session.push({ path: ancestor, expect: absent, put: seen.entry }, { kind: 'none' });
  }
  return implied.length > 0;
}
