import * as z from 'zod';
import type { PathProblem, Refusal } from '../core/failure.ts';
import { type Exit, exitCodes, retryOf } from '../core/failure.ts';
import { printable } from '../core/path.ts';
import { entry, name, path } from './entry.ts';
import { plainPush } from './plain-push.ts';

/**
 * The messages of protocol version 1. `id` pairs a request with its answers. The shape of every header
 * from the peer is checked here, before anything uses it.
 */
export const protocolVersion = 1;

const id = z.int().nonnegative();

const reasons = Object.keys(retryOf) as [PathProblem | Refusal];
const reason = z.enum(reasons);
const conflictKind = z.enum(['edited-on-passive', 'edited-on-both', 'first-sync']);

const greeting = {
  protocol: z.int(),
  node: name,
  version: z.string().max(64),
  role: z.enum(['active', 'passive']),
  epoch: z.int().nonnegative(),
  ha: z.enum(['enabled', 'disabled']),
  watchlists: z.string().max(128),
  /** The sender's clock, milliseconds since 1970. */
  now: z.int().nonnegative(),
};

/** A Failure on its way between processes. */
export const failureShape = z.strictObject({
  code: z.string().max(256),
  exit: z.enum(Object.keys(exitCodes) as [Exit]),
  message: z.string().max(65_536),
  hint: z.string().max(65_536),
});

/** Of the names that `doctor` asks for in one request, and of the packages that it is told: all fit in a frame. */
export const maxDoctorRows = 500;
const names = z.array(z.string().max(256)).max(maxDoctorRows);

/** What one node may ask of another in a session of purpose `request`. */
const peerRequest = z.discriminatedUnion('do', [
  /** The asking node is about to be active with this epoch: finish what is under way and step down. */
  z.strictObject({ do: z.literal('demote'), epoch: z.int().positive() }),
  z.strictObject({
    do: z.literal('disable'),
    reason: z.string().max(1024),
    by: z.string().max(256),
    forMs: z.int().positive().optional(),
  }),
  z.strictObject({ do: z.literal('enable') }),
  /** Settles conflicts by their ids; asked by a passive of its active. */
  z.strictObject({
    do: z.literal('resolve'),
    ids: z.array(z.string().max(64)).max(10_000),
    take: z.enum(['active', 'passive']),
  }),
  /** What `doctor` compares: changes nothing. Which of these owners and groups does the other node not have? */
  z.strictObject({ do: z.literal('doctor'), owners: names, groups: names }),
]);

/** The answer to `doctor`. What a newer node tells besides is passed over. */
export const doctorAnswer = z.object({
  version: z.string().max(64),
  /** The clock of the one that answers, milliseconds since 1970. */
  now: z.int().nonnegative(),
  missingOwners: names,
  missingGroups: names,
  /** Name and version of each BlueMind package; null where no package manager is known. */
  packages: z
    .array(z.tuple([z.string().max(256), z.string().max(256)]))
    .max(maxDoctorRows)
    .nullable(),
  /** The public keys with which it comes to the one that asks, `TYPE BASE64`. */
  publicKeys: z.array(z.string().max(4096)).max(32),
});

const version = z.strictObject({
  id: z.string().max(64),
  path,
  entry,
  epoch: z.int().nonnegative(),
  reason: z.string().max(64),
  peer: name,
  at: z.int().nonnegative(),
});

const row = z.tuple([path, entry]);

/** Pushes that one message answers. */
export const maxJoinedAcks = 1024;

/** What one chunk may have the peer copy at most, so that nothing else waits long. Bytes. */
export const maxCopyBytes = 1024 * 1024;

const fromActive = z.discriminatedUnion('t', [
  z.strictObject({
    t: z.literal('hello'),
    purpose: z.enum(['replicate', 'inspect', 'request']),
    ...greeting,
  }),
  /**
   * Content in the body (`inline`), in chunks that follow (`stream`), in chunks some of which are taken from the file
   * there (`delta`), or all to be taken from it (`local`).
   */
  z.strictObject({
    t: z.literal('push'),
    id,
    epoch: z.int().nonnegative(),
    path,
    expect: entry,
    put: entry,
    content: z.enum(['none', 'inline', 'stream', 'delta', 'local']),
    /** Pushes with the same number, `of` in all, are placed together or not at all. */
    set: z.strictObject({ id, of: z.int().min(2).max(1000) }).optional(),
  }),
  /** The content goes on with the body, then with what `copy` names of the file there. */
  z.strictObject({
    t: z.literal('chunk'),
    id,
    last: z.boolean(),
    copy: z.strictObject({ from: z.int().nonnegative(), bytes: z.int().min(1).max(maxCopyBytes) }).optional(),
  }),
  /** The file changed while it was sent: forget the push. */
  z.strictObject({ t: z.literal('abort'), id }),
  /**
   * Between nodes of one version: a directory with all that is agreed at and below it goes from one name to another, in one
   * step, or stays as it is. `paths` and `digest` tell what the sender takes that to be.
   */
  z.strictObject({
    t: z.literal('move'),
    id,
    epoch: z.int().nonnegative(),
    from: path,
    to: path,
    paths: z.int().positive(),
    digest: z.string().max(64),
  }),
  z.strictObject({ t: z.literal('manifest'), id, fresh: z.boolean(), mtime: z.boolean() }),
  z.strictObject({
    t: z.literal('directories'),
    id,
    rows: z.array(z.tuple([path, z.string().max(32)])),
    last: z.boolean(),
  }),
  /**
   * Between nodes of one version, in two steps: the body holds a sum for each directory, then one for each child of those
   * that the peer has another sum of, or none. The answer's body holds those that the peer has none of.
   */
  z.strictObject({ t: z.literal('sums'), id, of: z.enum(['directories', 'children']), last: z.boolean() }),
  /** All that the manifest showed is agreed, except these paths. */
  z.strictObject({ t: z.literal('agreed'), id, except: z.array(path), last: z.boolean() }),
  z.strictObject({ t: z.literal('look'), id, paths: z.array(path) }),
  /** The content of a file as it is, or of a version of it. */
  z.strictObject({ t: z.literal('fetch'), id, path, version: z.string().max(64).optional() }),
  z.strictObject({ t: z.literal('versions'), id, path }),
  /** The digests of the blocks of a file, see `blockRows`. */
  z.strictObject({ t: z.literal('blocks'), id, path }),
  z.strictObject({ t: z.literal('ping'), id }),
  z.strictObject({ t: z.literal('request'), id, request: peerRequest }),
  /** How far behind the peer is, by what the active knows; sent when it changes and after each reconcile. */
  z.strictObject({
    t: z.literal('standing'),
    pending: z.int().nonnegative(),
    conflicts: z.int().nonnegative(),
    halt: z.string().max(4096).nullable(),
    held: z.array(z.tuple([path, reason])).max(20),
  }),
]);

const fromPassive = z.discriminatedUnion('t', [
  /** `highest`: the highest epoch that this node heard of. */
  z.strictObject({ t: z.literal('welcome'), ...greeting, highest: z.int().nonnegative() }),
  z.strictObject({
    t: z.literal('refused'),
    reason,
    detail: z.string().max(4096),
    epoch: z.int().nonnegative(),
  }),
  z.strictObject({
    t: z.literal('ack'),
    id,
    result: z.discriminatedUnion('kind', [
      /** `hooks`: what the apply hooks that failed had to say. */
      z.strictObject({
        kind: z.literal('applied'),
        hooks: z.array(z.string().max(4096)).max(100).optional(),
      }),
      z.strictObject({ kind: z.literal('already-there') }),
      z.strictObject({ kind: z.literal('conflict'), conflict: conflictKind, found: entry }),
      z.strictObject({
        kind: z.literal('refused'),
        reason,
        detail: z.string().max(4096),
        epoch: z.int().nonnegative(),
      }),
    ]),
  }),
  /** Between nodes of one version: all of these are `applied`, and there was no hook that failed. */
  z.strictObject({ t: z.literal('acks'), ids: z.array(id).max(maxJoinedAcks) }),
  /** `declined`: why nothing was moved. */
  z.strictObject({ t: z.literal('moved'), id, declined: z.string().max(4096).optional() }),
  z.strictObject({ t: z.literal('manifest'), id, digest: z.string().max(32), paths: z.int().nonnegative() }),
  /** After `sums` with a body, see there. */
  z.strictObject({
    t: z.literal('entries'),
    id,
    directories: z.array(path),
    rows: z.array(row),
    problems: z.array(z.tuple([z.string().max(16384), reason, z.string().max(4096)])),
    last: z.boolean(),
  }),
  z.strictObject({ t: z.literal('content'), id, found: z.boolean(), last: z.boolean() }),
  /** Rows of digests in the body; none where there is no such file. */
  z.strictObject({ t: z.literal('blocks'), id, last: z.boolean() }),
  z.strictObject({ t: z.literal('done'), id }),
  z.strictObject({ t: z.literal('pong'), id }),
  z.strictObject({ t: z.literal('versions'), id, rows: z.array(version) }),
  z.strictObject({
    t: z.literal('answer'),
    id,
    outcome: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('value'), value: z.unknown() }),
      z.strictObject({ kind: z.literal('error'), error: failureShape }),
    ]),
  }),
  /** Paths whose content somebody changed on the passive: the active offers its own, and so both see the conflict. */
  z.strictObject({ t: z.literal('edited'), paths: z.array(path) }),
  /** A validator or a hook runs still: the session is alive. */
  z.strictObject({ t: z.literal('working') }),
]);

export type FromActive = z.infer<typeof fromActive>;
export type FromPassive = z.infer<typeof fromPassive>;
export type PushMessage = Extract<FromActive, { t: 'push' }>;
export type MoveMessage = Extract<FromActive, { t: 'move' }>;
export type AckResult = Extract<FromPassive, { t: 'ack' }>['result'];
export type PeerRequest = z.infer<typeof peerRequest>;
export type DoctorRequest = Extract<PeerRequest, { do: 'doctor' }>;
export type DoctorAnswer = z.infer<typeof doctorAnswer>;
export type Standing = Omit<Extract<FromActive, { t: 'standing' }>, 't'>;
export type RemoteVersion = z.infer<typeof version>;
export type Welcome = Extract<FromPassive, { t: 'welcome' }>;

/** What a refusal repeats of the peer's own words, UTF-16 units at most. */
const shownDetail = 300;

export type Parsed<Message> =
  | { readonly ok: true; readonly message: Message }
  | { readonly ok: false; readonly detail: string };

/** Parses what the active may say. */
export function parseFromActive(header: unknown): Parsed<FromActive> {
  const message = plainPush(header);
  return message === undefined ? parseByShape(header) : { ok: true, message };
}

/** As parseFromActive, by the full check of the shape alone. */
export function parseByShape(header: unknown): Parsed<FromActive> {
  return parsed(fromActive.safeParse(header));
}

/** Parses what the passive may say. */
export function parseFromPassive(header: unknown): Parsed<FromPassive> {
  return parsed(fromPassive.safeParse(header));
}

function parsed<Message>(result: z.ZodSafeParseResult<Message>): Parsed<Message> {
  if (result.success) return { ok: true, message: result.data };
  const issue = result.error.issues[0];
  const detail = `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a message'}`;
  return { ok: false, detail: printable(detail.slice(0, shownDetail)) };
}
