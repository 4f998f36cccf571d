import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { isMap, isSeq, type Node, parse, parseDocument, stringify, type YAMLSeq } from 'yaml';
import { type Config, loadConfig, type Peer } from '../../config/load.ts';
import { Failure } from '../../core/failure.ts';
import type { Edited } from './authorized-line.ts';
import { replaceFile } from './replace-file.ts';

/** A peer as pairing writes it down. */
export type PairedPeer = Omit<Peer, 'hostKey'> & { readonly hostKey: string };

const keys = ['host', 'port', 'user', 'identityFile', 'hostKey'] as const;

/**
 * Writes a peer into the configuration; every other line stays as it is. Throws Failure `other-peer` where
 * one of that name is there with other data and `replace` is not set; the new text is checked before it is in place.
 */
export function writePeer(config: Config, peer: PairedPeer, replace: boolean): Edited {
  const known = config.peers.find(({ name }) => name === peer.name);
  const differing = keys.filter((key) => known !== undefined && known[key] !== peer[key]);
  if (known !== undefined && differing.length === 0) return 'kept';
  const contradicting = differing.filter((key) => known?.[key] !== undefined);
  if (contradicting.length > 0 && !replace) throw otherPeer(config.file, known, peer, contradicting);
  const text = readFileSync(config.file, 'utf8');
  const put = withPeer(text, peer);
  const peers = [...config.peers.filter(({ name }) => name !== peer.name), peer];
  replaceFile(config.file, put, (staged) => mustHold(loadConfig(staged), { ...config, peers }));
  return 'changed';
}

/** Takes a peer out of the configuration. */
export function removePeer(config: Config, name: string): Edited {
  if (!config.peers.some((peer) => peer.name === name)) return 'kept';
  const text = readFileSync(config.file, 'utf8');
  const peers = config.peers.filter((peer) => peer.name !== name);
  replaceFile(config.file, withoutPeer(text, name), (staged) =>
    mustHold(loadConfig(staged), { ...config, peers }),
  );
  return 'changed';
}

/** The text with this peer, in the place of the one of its name or after the last. */
export function withPeer(text: string, peer: PairedPeer): string {
  const peers = findPeers(text);
  if (peers === undefined) return `${text.replace(/\n*$/, '\n')}\npeers:\n${itemOf(peer, 2)}\n`;
  if (peers.kind === 'inline') {
    const others = peers.items.filter(({ name }) => name !== peer.name).map(({ value }) => value);
    const all = [...others.map((other) => itemText(other, 2)), itemOf(peer, 2)];
    return spliced(text, peers, `\n${all.join('\n')}`, { trimBefore: true });
  }
  const known = peers.items.find(({ name }) => name === peer.name);
  if (known !== undefined) return spliced(text, known, itemOf(peer, known.indent));
  const last = peers.items.at(-1);
  if (last === undefined) throw new Error('a block sequence has at least one item');
  return spliced(text, { start: last.end, end: last.end }, `\n${itemOf(peer, last.indent)}`);
}

/** The text without the peer of this name. */
export function withoutPeer(text: string, name: string): string {
  const peers = findPeers(text);
  if (peers === undefined) return text;
  const left = peers.items.filter((item) => item.name !== name);
  if (left.length === peers.items.length) return text;
  if (left.length === 0) return spliced(text, peers, ' []', { trimBefore: true });
  if (peers.kind === 'inline')
    return spliced(text, peers, `\n${left.map(({ value }) => itemText(value, 2)).join('\n')}`, {
      trimBefore: true,
    });
  const gone = peers.items.find((item) => item.name === name);
  if (gone === undefined) return text;
  const end = text[gone.end] === '\n' ? gone.end + 1 : gone.end;
  return spliced(text, { start: gone.start, end }, '');
}

/** A stretch of the text, from its first character to behind its last. */
type Stretch = { readonly start: number; readonly end: number };
/** One peer: from the beginning of the line with its dash to the end of its last line; `indent` is that of the dash. */
type Item = Stretch & { readonly name: unknown; readonly value: unknown; readonly indent: number };
type Peers = Stretch & { readonly kind: 'inline' | 'block'; readonly items: readonly Item[] };

function findPeers(text: string): Peers | undefined {
  const document = parseDocument(text);
  if (!isMap(document.contents)) return undefined;
  const pair = document.contents.items.find(({ key }) => String(key) === 'peers');
  if (pair === undefined) return undefined;
  const value = pair.value;
  if (!isSeq(value)) {
    const [start, end] = rangeOf(value as Node | null) ?? afterKey(text, rangeOf(pair.key as Node));
    return { kind: 'inline', items: [], start, end };
  }
  const [start, end] = rangeOf(value) ?? [0, 0];
  const items = itemsOf(text, value);
  const isBlock =
    value.flow !== true && items.every((item) => text.slice(item.start).trimStart().startsWith('-'));
  return {
    kind: isBlock && items.length > 0 ? 'block' : 'inline',
    items,
    start,
    end: lastEnd(text, start, end),
  };
}

function itemsOf(text: string, sequence: YAMLSeq): Item[] {
  return sequence.items.map((item) => {
    const [from, to] = rangeOf(item as Node) ?? [0, 0];
    const start = text.lastIndexOf('\n', from - 1) + 1;
    const value: unknown = isMap(item) ? item.toJSON() : undefined;
    const name = isMap(item) ? item.get('name') : undefined;
    return { name, value, start, end: lastEnd(text, from, to), indent: text.slice(start).search(/\S/) };
  });
}

/** Without the line ends, and the comments that follow, that the parser counts in. */
function lastEnd(text: string, start: number, end: number): number {
  const lines = text.slice(start, end).split('\n');
  while (lines.length > 1 && /^\s*(#.*)?$/.test(lines.at(-1) ?? '')) lines.pop();
  return start + lines.join('\n').length;
}

function rangeOf(node: Node | null | undefined): [number, number] | undefined {
  const range = node?.range;
  return range === null || range === undefined ? undefined : [range[0], range[1]];
}

/** Behind the colon of a key without a value. */
function afterKey(text: string, range: [number, number] | undefined): [number, number] {
  const at = text.indexOf(':', range?.[1] ?? 0) + 1;
  return [at, at];
}

function spliced(text: string, { start, end }: Stretch, put: string, { trimBefore = false } = {}): string {
  const before = text.slice(0, start);
  return (trimBefore ? before.replace(/\s*$/, '') : before) + put + text.slice(end);
}

function itemOf({ name, host, port, user, identityFile, hostKey }: PairedPeer, indent: number): string {
  return itemText({ name, host, port, user, identityFile, hostKey }, indent);
}

function itemText(value: unknown, indent: number): string {
  const lines = stringify([value], { lineWidth: 0 }).trimEnd().split('\n');
  return lines.map((line) => ' '.repeat(indent) + line).join('\n');
}

/** Throws where the new configuration says something else than it is to. */
function mustHold(found: Config, { file: _, ...expected }: Config): void {
  const { file, ...rest } = found;
  const sorted = (config: Omit<Config, 'file'>): unknown => ({
    ...config,
    peers: config.peers.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  });
  if (isDeepStrictEqual(parse(stringify(sorted(rest))), parse(stringify(sorted(expected))))) return;
  throw new Error(`the configuration would say something else than it is to, in ${file}`);
}

function otherPeer(
  file: string,
  known: Peer | undefined,
  peer: PairedPeer,
  differing: readonly (typeof keys)[number][],
): Failure {
  const told = differing.map((key) => `${key}: ${known?.[key]} there, ${peer[key]} now`);
  return new Failure({
    code: 'other-peer',
    exit: 'usage',
    message: `${file} knows another ${peer.name}\n${told.join('\n')}`,
    hint: 'pair again with --replace if the new data is right',
  });
}
