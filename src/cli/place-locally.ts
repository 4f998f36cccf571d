import { randomBytes } from 'node:crypto';
import { readSync } from 'node:fs';
import { join } from 'node:path';
import { type Entry, sameContent } from '../core/entry.ts';
import type { ReplicaPath } from '../core/path.ts';
import { Applier } from '../passive/apply.ts';
import { placingRight } from '../passive/placing.ts';
import type { VersionReason } from '../state/version.ts';
import { maxBodyBytes } from '../wire/frame.ts';
import type { AckResult, PushMessage } from '../wire/message.ts';
import { composePassive } from './compose-passive.ts';
import type { Node } from './node.ts';

/** The bytes of a file, or a descriptor of them, which is read from its beginning and stays the caller's to close. */
export type LocalContent = Buffer | { readonly fd: number };

export type LocalPlacement = {
  readonly path: ReplicaPath;
  /** What has to be at the path for the placement to happen. */
  readonly expect: Entry;
  readonly put: Entry;
  /** Of a file to be put. Not needed where the content stays and only attributes change. */
  readonly content?: LocalContent;
  /** Of the version that what is displaced becomes; `reason`: default, what happened to it. */
  readonly epoch: number;
  readonly peer: string;
  readonly reason?: VersionReason;
};

/**
 * Puts an entry at a path of this node's own tree as a receiver does: by compare-and-swap, durable when this
 * resolves, and with a version kept of what is displaced, which is durable too. Parent directories have to
 * exist (`parent-missing`). Waits for the placing right; refused with `busy` when its holder does not let go.
 */
export async function placeLocally(node: Node, placement: LocalPlacement): Promise<AckResult> {
  const placing = placingRight(join(node.config.state, 'placing.lock'));
  // One placement is over in a moment: who wants the right next waits for that, as it would for its batch.
  const right = await placing.take(node.config.node, () => undefined);
  if (right === undefined) return notOurTurn();
  try {
    const receiver = composePassive(node, placing);
    const applier = new Applier({
      ...receiver.limits,
      root: receiver.root,
      watchlists: receiver.watchlists,
      cache: receiver.cache,
      // Nothing but what the caller saw may be overwritten, whatever was agreed with anybody.
      agreed: () => undefined,
      keepVersions: (all) =>
        receiver.keepVersions(all.map((kept) => ({ ...kept, ...labelOf(placement, kept.reason) }))),
      settle: receiver.settle,
      nonce: () => randomBytes(6).toString('hex'),
    });
    stage(applier, placement);
    const [placed] = applier.commit(undefined);
    applier.keepDisplaced();
    receiver.onQuiet();
    receiver.cache.commit();
    if (placed === undefined) throw new Error(`the placement of ${placement.path} got no answer`);
    return placed.result;
  } finally {
    right.release();
  }
}

function notOurTurn(): AckResult {
  const detail = 'another process on this node places files and does not let go';
  return { kind: 'refused', reason: 'busy', detail, epoch: 0 };
}

function labelOf(
  { epoch, peer, reason }: LocalPlacement,
  happened: VersionReason,
): { epoch: number; peer: string; reason: VersionReason } {
  // What was caught in between two renames is not what the caller meant to displace.
  return { epoch, peer, reason: happened === 'interrupted' ? happened : (reason ?? happened) };
}

function stage(applier: Applier, placement: LocalPlacement): void {
  const { path, expect, put, epoch, content } = placement;
  const how = wayOf(placement);
  const push: PushMessage = { t: 'push', id: 0, epoch, path, expect, put, content: how };
  if (how !== 'inline' && how !== 'stream') return void applier.begin(push, Buffer.alloc(0));
  if (content === undefined) throw new Error(`no content was given for ${path}`);
  if (how === 'inline') return void applier.begin(push, wholeOf(content, put));
  const receiving = applier.begin(push, Buffer.alloc(0));
  if (receiving === undefined) return;
  for (let at = 0; ; ) {
    const chunk = chunkOf(content, at);
    at += chunk.byteLength;
    const last = chunk.byteLength < maxBodyBytes;
    if (!applier.continue(receiving, { last }, chunk) || last) return;
  }
}

function wayOf({ expect, put, content }: LocalPlacement): PushMessage['content'] {
  if (put.kind !== 'file') return 'none';
  if (sameContent(expect, put)) return 'local';
  if (content === undefined) return 'none';
  return put.size > maxBodyBytes ? 'stream' : 'inline';
}

/** At most as much as one frame would carry; what is more than the entry says is told by the digest. */
function wholeOf(content: LocalContent, put: Entry): Buffer {
  if (!('fd' in content)) return content;
  const whole = Buffer.allocUnsafe((put.kind === 'file' ? put.size : 0) + 1);
  return whole.subarray(0, readFully(content.fd, whole, 0));
}

function chunkOf(content: LocalContent, at: number): Buffer {
  if (!('fd' in content)) return content.subarray(at, at + maxBodyBytes);
  const chunk = Buffer.allocUnsafe(maxBodyBytes);
  return chunk.subarray(0, readFully(content.fd, chunk, at));
}

function readFully(fd: number, buffer: Buffer, at: number): number {
  let done = 0;
  for (;;) {
    const size = readSync(fd, buffer, done, buffer.byteLength - done, at + done);
    done += size;
    if (size === 0 || done === buffer.byteLength) return done;
  }
}
