import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Peer } from '../peer.ts';
import { bare } from '../peers/bare.ts';
import { confsync } from '../peers/confsync.ts';
import { csync2Plain } from '../peers/csync2.ts';
import { lsyncdNow } from '../peers/lsyncd.ts';
import { rsync, rsyncWarm } from '../peers/rsync.ts';
import { unison } from '../peers/unison.ts';
import type { Row, Series, Size } from '../row.ts';
import {
  type Change,
  copyLocally,
  follow,
  type Made,
  mustEndEqual,
  openSeries,
  timeChange,
} from '../series.ts';
import { plantTree } from '../template.ts';

/** The part of the tree that is renamed or deleted: two fifths of it, 2,000 files of 5,000. */
function partOf(size: Size): Size {
  return {
    ...size,
    files: Math.ceil((size.files * 2) / 5),
    bytes: Math.ceil((size.bytes * 2) / 5),
    directories: Math.ceil((size.directories * 2) / 5),
  };
}

/** Where the part is, one after the other. */
const places = ['etc/part-a', 'etc/part-b'];

function plantPart({ pair }: Made, place: string, size: Size): Promise<readonly string[]> {
  return plantTree(join(pair.active.root, place), partOf(size));
}

async function buildRename(peer: Peer, made: Made, size: Size): Promise<Pick<Series, 'sample' | 'check'>> {
  const { pair } = made;
  const files = await plantPart(made, places[0] ?? '', size);
  await copyLocally(pair);
  const following = await follow(peer, made);
  if (following === undefined) await peer.copy?.(pair);
  const prepare = (round: number): Change => {
    const [from = '', to = ''] = round % 2 === 0 ? places : places.toReversed();
    return {
      act: () => renameSync(join(pair.active.root, from), join(pair.active.root, to)),
      expected: new Map(),
      touched: [from, to].flatMap((place) => [place, ...files.map((path) => join(place, path))]),
    };
  };
  return {
    sample: (round) => timeChange(peer, { pair, following }, prepare(round)),
    check: () => mustEndEqual(pair, following),
  };
}

async function buildDelete(peer: Peer, made: Made, size: Size): Promise<Pick<Series, 'sample' | 'check'>> {
  const { pair } = made;
  const [place = ''] = places;
  const top = join(pair.active.root, place);
  let files = await plantPart(made, place, size);
  await copyLocally(pair);
  const following = await follow(peer, made);
  if (following === undefined) await peer.copy?.(pair);
  const change = (act: () => void): Change => ({
    act,
    expected: new Map(),
    touched: [place, ...files.map((path) => join(place, path))],
  });
  return {
    sample: async (round) => {
      if (!existsSync(top)) {
        // Other contents each time: nobody keeps what he keeps already.
        const back = 'stage';
        files = await plantPart(made, back, { ...size, seed: size.seed + round });
        const restore = change(() => renameSync(join(pair.active.root, back), top));
        await timeChange(peer, { pair, following }, restore);
      }
      return timeChange(
        peer,
        { pair, following },
        change(() => rmSync(top, { recursive: true })),
      );
    },
    check: () => mustEndEqual(pair, following),
  };
}

const common = {
  repeat: 4,
  peers: [bare, confsync, rsync, rsyncWarm, unison, { ...csync2Plain, mostSamples: 2 }, lsyncdNow],
  bars: [{ times: 1, against: rsync.name }],
};

export const renameTree: Row = {
  ...common,
  name: 'rename-tree',
  title: (size) => `A directory with ${partOf(size).files} files renamed`,
  open: (peer, size) => openSeries({ size }, (made) => buildRename(peer, made, size)),
};

export const deleteTree: Row = {
  ...common,
  name: 'delete-tree',
  title: (size) =>
    `A directory with ${partOf(size).files} files deleted, where the guard against mass deletion is set so that it lets it pass`,
  open: (peer, size) => openSeries({ size }, (made) => buildDelete(peer, made, size)),
};
