/** The closed lists of what can go wrong with a push or a path, and what to do about each. */

/** Why a receiver refuses a whole session or any push. */
export type Refusal = 'ha-disabled' | 'stale-epoch' | 'peer-is-active' | 'split-brain' | 'superseded';

/** Why one path could not be observed, sent or placed. */
export type PathProblem =
  | 'outside-watchlist'
  | 'not-confined'
  | 'bad-path'
  | 'parent-missing'
  | 'not-empty'
  | 'unsupported-type'
  | 'too-large'
  | 'low-disk'
  | 'no-space'
  | 'read-only'
  | 'permission'
  | 'unknown-owner'
  | 'no-xattrs'
  | 'busy'
  | 'unstable'
  | 'digest-mismatch'
  | 'need-content'
  | 'validator-failed'
  /** Another file of its group could not be placed, so none of them was. */
  | 'group-failed'
  | 'io';

export type Reason = Refusal | PathProblem;

/** A socket or a name that no node can have is nothing that a passive lacks. */
export const neverReplicated: ReadonlySet<Reason> = new Set(['unsupported-type', 'bad-path']);

/** When a path that met this reason is tried again. */
export type Retry =
  /** Right away with the content in the push. */
  | 'with-content'
  /** After a moment, with growing pauses. */
  | 'soon'
  /** At the next full reconcile, or when the path changes. */
  | 'at-reconcile'
  /** When the session comes back: the refusal is about the nodes, not about the path. */
  | 'with-session';

export const retryOf = {
  'ha-disabled': 'with-session',
  'stale-epoch': 'with-session',
  'peer-is-active': 'with-session',
  'split-brain': 'with-session',
  superseded: 'with-session',
  'outside-watchlist': 'at-reconcile',
  'not-confined': 'at-reconcile',
  'bad-path': 'at-reconcile',
  'parent-missing': 'soon',
  'not-empty': 'soon',
  'unsupported-type': 'at-reconcile',
  'too-large': 'at-reconcile',
  'low-disk': 'soon',
  'no-space': 'soon',
  'read-only': 'soon',
  permission: 'at-reconcile',
  'unknown-owner': 'at-reconcile',
  'no-xattrs': 'at-reconcile',
  busy: 'soon',
  unstable: 'soon',
  'digest-mismatch': 'soon',
  'need-content': 'with-content',
  'validator-failed': 'at-reconcile',
  'group-failed': 'soon',
  io: 'soon',
} as const satisfies Record<Reason, Retry>;

/** One problem with one path, as data. `detail` says what was expected and found, for a person. */
export type PathFailure = { readonly reason: PathProblem; readonly detail: string };

/** Exit codes of the command line. */
export const exitCodes = {
  done: 0,
  drift: 1,
  usage: 2,
  unreachable: 3,
  refused: 4,
  halted: 5,
  bug: 70,
} as const;

export type Exit = keyof typeof exitCodes;

/** What monitoring plugins answer with, where `--nagios` asks for that. */
export const nagiosCodes = { ok: 0, warning: 1, critical: 2, unknown: 3 } as const;

/** How a command ends. */
export type Ended = Exit | keyof typeof nagiosCodes;

/** A failure as it travels. */
export type FailureFields = {
  readonly code: string;
  readonly exit: Exit;
  /** What was expected and what was found. */
  readonly message: string;
  /** What to do next. */
  readonly hint: string;
};

/**
 * A failure that a user meets: what was expected, what was found, what to do next. Thrown on the way
 * out to `main`, which prints it and exits with `exit`.
 */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly code: string;
  readonly exit: Exit;
  readonly hint: string;

  constructor(about: FailureFields & { readonly cause?: unknown }) {
    super(about.message, about.cause === undefined ? {} : { cause: about.cause });
    this.code = about.code;
    this.exit = about.exit;
    this.hint = about.hint;
  }
}

/** For the end of an exhaustive switch. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value ${JSON.stringify(value)}`);
}
