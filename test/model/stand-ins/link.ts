import { type Duplex, duplexPair } from 'node:stream';
import type { Link, LinkOptions } from '../../../src/active/link.ts';
import { Failure } from '../../../src/core/failure.ts';

/** Serves the far end of a link. */
export type Server = (stream: Duplex, from: string) => void;

type Wire = { readonly ends: readonly string[]; readonly streams: readonly Duplex[] };

const servers = new Map<string, Server>();
const wires = new Set<Wire>();
const dead = new Set<string>();
let up = true;
let moved = 0;
let fuse: { left: number; readonly blow: () => void } | undefined;

/** How many pieces travelled so far: while the number grows, something is going on. */
export function traffic(): number {
  return moved;
}

export function serveLinks(host: string, server: Server | undefined): void {
  if (server === undefined) servers.delete(host);
  else servers.set(host, server);
}

/** Whether new links may be opened. Links that are open stay. */
export function setNetwork(isUp: boolean): void {
  up = isUp;
}

export function networkIsUp(): boolean {
  return up;
}

/** Ends every link of this node, or all links, without a word. */
export function cutLinks(end?: string): void {
  for (const wire of wires) {
    if (end !== undefined && !wire.ends.includes(end)) continue;
    wires.delete(wire);
    for (const stream of wire.streams) stream.destroy();
  }
}

/** Calls `blow` instead of letting the piece pass that comes after `pieces` more. A piece is one frame. */
export function armLinks(pieces: number, blow: () => void): void {
  fuse = { left: pieces, blow };
}

export function disarmLinks(): void {
  fuse = undefined;
}

/** The incarnation of a node with this name dials no more. */
export function bury(identity: string): void {
  dead.add(identity);
}

export function resetLinks(): void {
  cutLinks();
  servers.clear();
  dead.clear();
  up = true;
  fuse = undefined;
}

/** The private key names the node that dials and its incarnation: `NAME/NUMBER`. */
export async function openLink({ host, privateKey, peer }: LinkOptions): Promise<Link> {
  const identity = privateKey.toString();
  const from = identity.split('/')[0] ?? '';
  if (dead.has(identity)) return new Promise(() => undefined);
  const server = servers.get(host);
  if (!up || server === undefined) {
    const message = `expected ${peer} to answer, found no way there`;
    throw new Failure({ code: 'peer-unreachable', exit: 'unreachable', message, hint: 'connect it' });
  }
  const [near, nearEnd] = duplexPair();
  const [farEnd, far] = duplexPair();
  const wire: Wire = { ends: [from, host], streams: [near, nearEnd, farEnd, far] };
  wires.add(wire);
  join(nearEnd, farEnd, wire);
  join(farEnd, nearEnd, wire);
  for (const stream of wire.streams) stream.on('error', () => undefined);
  server(far, from);
  const close = (): void => {
    wires.delete(wire);
    for (const stream of wire.streams) stream.destroy();
  };
  near.on('close', close);
  far.on('close', close);
  return { stream: near, isSlow: true, complaint: () => '', close };
}

function join(source: Duplex, target: Duplex, wire: Wire): void {
  source.on('data', (piece: Buffer) => {
    moved += 1;
    if (fuse !== undefined) {
      fuse.left -= 1;
      if (fuse.left < 0) {
        const { blow } = fuse;
        fuse = undefined;
        blow();
        if (!wires.has(wire)) return;
      }
    }
    target.write(piece);
  });
  source.on('end', () => target.end());
}
