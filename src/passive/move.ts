import { fstatSync, lstatSync } from 'node:fs';
import { concerns, isDirectory, type Move, type MovedPath, planMove } from '../core/move.ts';
import { type Packed, packEntry, packedKey } from '../core/packed.ts';
import { childOf, nameOf, parentOf, type ReplicaPath } from '../core/path.ts';
import { Directories } from '../files/confined.ts';
import { listed } from '../files/listing.ts';
import { mountAtOrBelow } from '../files/mounts.ts';
import type { EntryCache } from '../files/observation.ts';
import { observeIn } from '../files/observe.ts';
import { kernelRenames } from '../files/place.ts';
import { Statx } from '../files/statx.ts';
import { Unchanged, unchanged } from '../files/unchanged.ts';
import { passed } from '../log/trace.ts';
import { agreedDigest } from '../wire/agreed-digest.ts';
import type { MoveMessage } from '../wire/message.ts';
import { haltedBy } from './halted.ts';
import type { PassiveNode, PeerMemory } from './node.ts';

export type MoverOptions = {
  readonly node: Pick<
    PassiveNode,
    'name' | 'seat' | 'haSwitch' | 'root' | 'watchlists' | 'cache' | 'settle' | 'renames'
  >;
  readonly memory: Pick<PeerMemory, 'packedBelow' | 'intendMove' | 'inConflict' | 'commit'>;
};

/** Descriptors that a look at everything below a directory holds at most. */
const mostOpen = 64;

/**
 * Renames a directory with all that is in it, as the active renamed its own, in one step. Only where that is the same as to
 * place each path by itself: all that is below the old name is replicated and as it was agreed, nothing is at the new one,
 * and no validator, hook or conflict is about any of it. Nothing is overwritten, and nothing is copied. What somebody edits
 * meanwhile moves with the rest, and shows as an edit of this node as it would have under the old name.
 *
 * Answers all that has moved, durably, to be remembered; or why nothing has.
 */
export function moveDirectory(request: MoveMessage, options: MoverOptions): readonly MovedPath[] | string {
  const { node, memory } = options;
  const halted = haltedBy(node, request.epoch);
  if (halted !== undefined) return halted.detail;
  const move: Move = { from: request.from, to: request.to };
  const planned = planMove(move, memory.packedBelow(move.from), (path) => node.watchlists.includes(path));
  if (typeof planned === 'string') return planned;
  if (planned.length !== request.paths || agreedDigest(planned) !== request.digest)
    return `the nodes do not agree on the same below ${move.from}`;
  const obstacle = obstacleOf(move, planned, options) ?? firstForeign(planned, node);
  if (obstacle !== undefined) return obstacle;
  memory.intendMove(move);
  passed('staged', move.to);
  const failed = rename(move, options);
  // Nothing is about to be there after all.
  if (failed !== undefined) memory.commit();
  else passed('durable', move.to);
  return failed ?? planned;
}

/** What calls for a push of each path, with its own checks. */
function obstacleOf(
  move: Move,
  planned: readonly MovedPath[],
  { node, memory }: MoverOptions,
): string | undefined {
  if (memory.packedBelow(move.to).length > 0) return `something is agreed to be at ${move.to}`;
  const inConflict = memory.inConflict().find((path) => concerns(path, move));
  if (inConflict !== undefined) return `${inConflict} is in conflict`;
  const commands = [...node.watchlists.validators, ...node.watchlists.applies];
  const isChecked = (path: ReplicaPath): boolean => commands.some(({ matches }) => matches(path));
  const checked = planned.find(({ from, to }) => isChecked(from) || isChecked(to));
  return checked === undefined
    ? undefined
    : `a validator or a hook is about ${checked.from} or ${checked.to}`;
}

/** What is not as it was agreed below the old name, or not replicated: it has no business at the new one. */
function firstForeign(
  planned: readonly MovedPath[],
  { root, cache }: Pick<MoverOptions['node'], 'root' | 'cache'>,
): string | undefined {
  // Nothing is written by way of these, and all is over within this turn of the event loop.
  using directories = new Directories(root, { maxOpen: mostOpen, checkPlace: 'never' });
  const statx = new Statx();
  const known = new Set(planned.map(({ from }) => from));
  for (const { from: path, packed } of planned) {
    const there = look(path, { directories, cache, statx });
    if (there === undefined || packedKey(there) !== packedKey(packed))
      return `${path} is not as it was agreed`;
    if (!isDirectory(packed)) continue;
    const directory = directories.open(path);
    if (!directory.ok) return directory.detail;
    const names = listed(directory, path);
    if ('kind' in names) return `${path} could not be listed`;
    const stranger = names.find((name) => !known.has(childOf(path, name)));
    if (stranger !== undefined) return `${childOf(path, stranger)} is not replicated, or not agreed on`;
  }
  return undefined;
}

/** What is at the path, by one call where it is as it was when it was read; undefined where that cannot be told. */
function look(
  path: ReplicaPath,
  { directories, cache, statx }: { directories: Directories; cache: EntryCache; statx: Statx },
): Packed | undefined {
  const parent = directories.parentOf(path);
  const name = nameOf(path);
  const type = parent.ok ? statx.look(parent.fd, name) : undefined;
  if (type !== undefined) {
    const known = unchanged({ name, path, type, seen: statx }, cache.folder(parentOf(path)), cache);
    if (known instanceof Unchanged) return known.packed;
  }
  const limits = { maxFileSizeBytes: Number.MAX_SAFE_INTEGER, checkWriters: true };
  const seen = observeIn(parent, path, { cache, ...limits });
  return seen.kind === 'entry' ? packEntry(seen.entry) : undefined;
}

/** Why the directory is where it was; undefined once it has moved, which a power cut does not undo. */
function rename({ from, to }: Move, { node }: MoverOptions): string | undefined {
  const { noReplace } = node.renames ?? kernelRenames;
  using directories = new Directories(node.root);
  const moving = directories.open(from);
  const source = directories.parentOf(from);
  const target = directories.parentOf(to);
  if (!moving.ok) return moving.detail;
  if (!source.ok) return source.detail;
  if (!target.ok) return target.detail;
  const mount = mountAtOrBelow(moving.fd);
  if (mount !== undefined) return `${mount} is a mount point, which would have another name`;
  const [before, after] = [source.child(nameOf(from)), target.child(nameOf(to))];
  const moved = noReplace(before, after);
  if (!moved.ok) return `${from} could not be renamed to ${to} (${moved.code})`;
  if (!isThere(moving.fd, after)) {
    // Somebody put another one in its place in the last moment.
    const back = noReplace(after, before);
    return `${from} was replaced on this node${back.ok ? '' : `, and what replaced it is at ${to} now`}`;
  }
  node.settle([source.fd, target.fd, moving.fd]);
  return undefined;
}

/** Whether the open directory is the one that has this name. */
function isThere(fd: number, path: string): boolean {
  const open = fstatSync(fd, { bigint: true });
  const named = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return named?.ino === open.ino && named.dev === open.dev;
}
