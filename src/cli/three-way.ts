import { type Entry, type FileEntry, sameContent } from '../core/entry.ts';
import type { Conflict } from '../state/conflicts.ts';
import { findHere, findThere, hear, maxDiffBytes } from './content.ts';
import type { Io } from './io.ts';
import type { Node } from './node.ts';
import { sizeText } from './render.ts';
import { renderDiff } from './render-diff.ts';

/** One of the three: what was agreed, and what each node had when the conflict was detected. */
export type Side = {
  /** As the diff calls it: `agreed`, or the name of a node. */
  readonly name: string;
  /** As a person reads it: `mail1 (active)`. */
  readonly title: string;
  readonly entry: Entry | undefined;
};

export type Picture = {
  /** What was agreed, the active's, the passive's. */
  readonly sides: readonly [Side, Side, Side];
  readonly diffs: readonly { readonly from: string; readonly to: string; readonly text: string }[];
  /** Contents that cannot be had now, and why. */
  readonly missing: readonly { readonly name: string; readonly why: string }[];
};

type Content =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'missing'; readonly why: string };

/**
 * Puts together what is known of a conflict. The contents are looked for by their digests, on this node and on
 * the peer, at the path and among the versions. Diffs begin at what was agreed where that is still to be had.
 */
export async function pictureOf(
  node: Node,
  conflict: Conflict,
  { io, mask }: { readonly io: Io; readonly mask: boolean },
): Promise<Picture> {
  const sides = sidesOf(node, conflict);
  const [agreed, active, passive] = sides;
  const contents = await contentsOf(node, conflict, sides);
  const contentOf = (side: Side): Content => contents.get(side) ?? { kind: 'bytes', bytes: Buffer.alloc(0) };
  const fromAgreed = agreed.entry !== undefined && contentOf(agreed).kind === 'bytes';
  const pairs: (readonly [Side, Side])[] = fromAgreed
    ? [
        [agreed, active],
        [agreed, passive],
      ]
    : [[active, passive]];
  const diffs = pairs.flatMap(([from, to]) => {
    const text = diffBetween(conflict.path, [from, contentOf(from)], [to, contentOf(to)], { io, mask });
    return text === undefined ? [] : [{ from: from.name, to: to.name, text }];
  });
  const missing = sides.flatMap((side) => {
    const content = contentOf(side);
    return content.kind === 'missing' ? [{ name: side.name, why: content.why }] : [];
  });
  return { sides, diffs, missing };
}

function sidesOf(node: Node, conflict: Conflict): readonly [Side, Side, Side] {
  const own = node.config.node;
  const isActive = node.seat().role === 'active';
  const [active, passive] = isActive ? [own, conflict.peer] : [conflict.peer, own];
  return [
    { name: 'agreed', title: 'agreed', entry: conflict.agreed },
    { name: active, title: `${active} (active)`, entry: conflict.active },
    { name: passive, title: `${passive} (passive)`, entry: conflict.passive },
  ];
}

type Wanted = { readonly side: Side; readonly file: FileEntry };

async function contentsOf(
  node: Node,
  { path, peer }: Conflict,
  sides: readonly Side[],
): Promise<Map<Side, Content>> {
  const found = new Map<Side, Content>();
  const elsewhere: Wanted[] = [];
  for (const side of sides) {
    const { entry } = side;
    if (entry?.kind !== 'file') continue;
    if (entry.size > maxDiffBytes) {
      found.set(side, { kind: 'missing', why: `it is too large to show, ${sizeText(entry.size)}` });
      continue;
    }
    const bytes = findHere(node, path, entry);
    if (bytes === undefined) elsewhere.push({ side, file: entry });
    else found.set(side, { kind: 'bytes', bytes });
  }
  if (elsewhere.length === 0) return found;
  const heard = await hear(node, peer, async (session) => {
    for (const { side, file } of elsewhere) {
      const bytes = await findThere(session, path, file);
      if (bytes !== undefined) found.set(side, { kind: 'bytes', bytes });
    }
    return session.open ? 'asked' : undefined;
  });
  const why = heard.kind === 'heard' ? 'no node has it any more, nor keeps it as a version' : heard.detail;
  for (const { side } of elsewhere) if (!found.has(side)) found.set(side, { kind: 'missing', why });
  return found;
}

/** Undefined where there is nothing to compare line by line: the entries themselves say it. */
function diffBetween(
  path: string,
  [from, fromContent]: readonly [Side, Content],
  [to, toContent]: readonly [Side, Content],
  { io, mask }: { readonly io: Io; readonly mask: boolean },
): string | undefined {
  if (from.entry?.kind !== 'file' && to.entry?.kind !== 'file') return undefined;
  if (fromContent.kind === 'missing' || toContent.kind === 'missing') return undefined;
  if (from.entry !== undefined && to.entry !== undefined && sameContent(from.entry, to.entry))
    return `${from.name} and ${to.name}: the same content\n`;
  return renderDiff(io, {
    path,
    fromName: from.name,
    toName: to.name,
    from: fromContent.bytes,
    to: toContent.bytes,
    mask,
  });
}
