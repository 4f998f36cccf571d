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

/** As sendEntry. Never rejects. */
export function pushEntry(session: Session, tree: Tree, push: Push): Promise<PushOutcome> {
  return new Promise((resolve) => sendEntry(session, tree, push, resolve));
}

/**
 * Sends one push with as little content as may do: none where the peer is expected to hold it already, and
 * again in full where it does not. Directories that only lead to a listed file are made on the way. `onOutcome` is called once,
 * at once where nothing is to be waited for.
 */
export function sendEntry(
  session: Session,
  tree: Tree,
  push: Push,
  onOutcome: (outcome: PushOutcome) => void,
): void {
  passed('planned', push.path);
  const told = (outcome: PushOutcome): void => {
    if (isDurable(outcome)) passed('acked', push.path);
    onOutcome(outcome);
  };
  const sendFirst = (content: Content): void =>
    session.send(push, content, (outcome) => {
      if (outcome.kind === 'refused') void again(session, tree, { push, content, outcome }).then(told);
      else told(outcome);
    });
  const content = tree.content(push.path, push.expect, push.put);
  if (content === undefined) told({ kind: 'changed' });
  else if (content.kind === 'stream') void asDelta(session, push, content).then(sendFirst);
  else sendFirst(content);
}

/** What becomes of a push that was refused, sent once more where that may help. */
async function again(
  session: Session,
  tree: Tree,
  { push, content, outcome }: { push: Push; content: Content; outcome: Refused },
): Promise<PushOutcome> {
  let now: PushOutcome = outcome;
  if (wantsWhole(outcome.reason, content.kind)) now = await send(session, tree, push, absent);
  if (isOrphan(now) && (await pushParents(session, tree, push.path)))
    now = await send(session, tree, push, absent);
  return now;
}

type Refused = Extract<PushOutcome, { kind: 'refused' }>;

/** What of the content the peer's own file does not hold, where it is worth to ask. */
async function asDelta(
  session: Session,
  { path, expect, put }: Push,
  content: Extract<Content, { kind: 'stream' }>,
): Promise<Content> {
  if (put.kind !== 'file' || !isWorthDelta(expect, put.size)) return content;
  const known = await blocksOf(session, path);
  if (known === undefined || known.count === 0) return content;
  return { kind: 'delta', chunks: () => delta(content.chunks(), known) };
}

/** Whether the push is to be sent again with all of its content: what was taken from the peer's file was not right. */
function wantsWhole(reason: Reason, sent: Content['kind']): boolean {
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
