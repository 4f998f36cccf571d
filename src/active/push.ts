import { absent, type Entry } from '../core/entry.ts';
import { type Reason, retryOf } from '../core/failure.ts';
import { ancestorsOf, type ReplicaPath } from '../core/path.ts';
import type { Push } from '../core/plan.ts';
import { passed } from '../log/trace.ts';
import type { Content } from './content.ts';
import { delta } from './delta.ts';
import { blocksOf, isWorthDelta } from './early-blocks.ts';
import type { PushOutcome, Session } from './session.ts';
import type { Tree } from './tree.ts';

/**
 * Sends one push with as little content as may do: none where the peer is expected to hold it already, and
 * again in full where it does not. Directories that only lead to a listed file are made on the way.
 */
export async function pushEntry(session: Session, tree: Tree, push: Push): Promise<PushOutcome> {
  passed('planned', push.path);
  const content = await contentOf(session, tree, push);
  let outcome: PushOutcome = content === undefined ? { kind: 'changed' } : await session.push(push, content);
  if (outcome.kind === 'refused' && wantsWhole(outcome.reason, content?.kind)) {
    outcome = await send(session, tree, push, absent);
  }
  if (isOrphan(outcome) && (await pushParents(session, tree, push.path))) {
    outcome = await send(session, tree, push, absent);
  }
  if (isDurable(outcome)) passed('acked', push.path);
  return outcome;
}

/** The content as it is sent first; undefined where the file is no longer what the push says. */
async function contentOf(
  session: Session,
  tree: Tree,
  { path, expect, put }: Push,
): Promise<Content | undefined> {
  const content = tree.content(path, expect, put);
  if (content?.kind !== 'stream' || put.kind !== 'file' || !isWorthDelta(expect, put.size)) return content;
  const known = await blocksOf(session, path);
  if (known === undefined || known.count === 0) return content;
  return { kind: 'delta', chunks: () => delta(content.chunks(), known) };
}

/** Whether the push is to be sent again with all of its content: what was taken from the peer's file was not right. */
function wantsWhole(reason: Reason, sent: Content['kind'] | undefined): boolean {
  return retryOf[reason] === 'with-content' || (reason === 'digest-mismatch' && sent === 'delta');
}

let sets = 0;

/**
 * Sends pushes that are placed together or not at all, each with its whole content. The outcomes are in their
 * order; `changed` for all where one of the files is no longer what its push says.
 */
export async function pushSet(session: Session, tree: Tree, pushes: readonly Push[]): Promise<PushOutcome[]> {
  let outcomes = await sendSet(session, tree, pushes);
  const orphans = pushes.filter((_, index) => isOrphan(outcomes[index]));
  let made = false;
  for (const { path } of orphans) made = (await pushParents(session, tree, path)) || made;
  if (made) outcomes = await sendSet(session, tree, pushes);
  pushes.forEach(({ path }, index) => {
    if (isDurable(outcomes[index])) passed('acked', path);
  });
  return outcomes;
}

async function sendSet(session: Session, tree: Tree, pushes: readonly Push[]): Promise<PushOutcome[]> {
  const contents = pushes.map((push) => tree.content(push.path, absent, push.put));
  if (contents.includes(undefined)) return pushes.map(() => ({ kind: 'changed' }));
  sets += 1;
  const set = { id: sets, of: pushes.length };
  return Promise.all(
    pushes.map((push, index) => session.push(push, contents[index] ?? { kind: 'none' }, set)),
  );
}

function isDurable(outcome: PushOutcome | undefined): boolean {
  return outcome?.kind === 'applied' || outcome?.kind === 'already-there';
}

function isOrphan(outcome: PushOutcome | undefined): boolean {
  return outcome?.kind === 'refused' && outcome.reason === 'parent-missing';
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
