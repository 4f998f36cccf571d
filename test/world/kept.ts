import { closeSync, readFileSync } from 'node:fs';
import type { ReplicaPath } from '../../src/core/path.ts';
import type { Seat } from '../../src/core/seat.ts';
import { type Conflict, ConflictStore } from '../../src/state/conflicts.ts';
import { openDatabase } from '../../src/state/database.ts';
import { SeatStore } from '../../src/state/seat.ts';
import { VersionStore } from '../../src/state/versions.ts';
import type { NodeName, Pair } from './pair.ts';

/** The seat as it is written down. */
export function seatOf(pair: Pair, node: NodeName): Seat {
  using database = openDatabase(pair.state(node));
  const seat = new SeatStore(database).read();
  if (seat === undefined) throw new Error(`${node} has no seat`);
  return seat;
}

/** The conflicts that a node has written down. */
export function conflictsOn(pair: Pair, node: NodeName): Conflict[] {
  using database = openDatabase(pair.state(node));
  return new ConflictStore(database).list();
}

export type KeptFile = { readonly id: string; readonly reason: string; readonly content: string };

/** The files that a node kept of a path, newest first, with their contents. */
export function versionsOf(pair: Pair, node: NodeName, path: string): KeptFile[] {
  using database = openDatabase(pair.state(node));
  const store = new VersionStore(database);
  const files = store.list(path as ReplicaPath).filter(({ entry }) => entry.kind === 'file');
  return files.map(({ id, reason }) => ({ id, reason, content: contentOf(store, id) }));
}

function contentOf(store: VersionStore, id: string): string {
  const fd = store.read(id).openContent();
  try {
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}
