import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, loadConfig } from '../../config/load.ts';
import { loadWatchlists, type Watchlists } from '../../config/watchlist.ts';
import { Failure } from '../../core/failure.ts';
import type { Seat } from '../../core/seat.ts';
import { openDatabase } from '../../state/database.ts';
import { SeatStore } from '../../state/seat.ts';
import { shippedWatchlists } from '../product.ts';
import {
  type Check,
  configurationCheck,
  error,
  noConfiguration,
  notChecked,
  ok,
  shellWord,
} from './check.ts';

/** What all other checks stand on, as far as it is there. */
export type Ground = {
  readonly file: string;
  readonly config: Config | undefined;
  readonly watchlists: Watchlists | undefined;
  readonly seat: FoundSeat;
  /** Why there is no configuration, or are no watchlists. */
  readonly problem: Failure | undefined;
};

export type FoundSeat =
  | { readonly kind: 'seat'; readonly seat: Seat }
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown'; readonly failure: Failure | undefined };

/** Reads what there is, and makes nothing. */
export function readGround(file: string): Ground {
  const config = orFailure(() => loadConfig(file));
  if (config instanceof Failure)
    return { file, config: undefined, watchlists: undefined, seat: noState, problem: config };
  const watchlists = orFailure(() => loadWatchlists(config.watchlists, { shippedFolder: shippedWatchlists }));
  const seat = readSeat(config);
  if (watchlists instanceof Failure)
    return { file, config, watchlists: undefined, seat, problem: watchlists };
  return { file, config, watchlists, seat, problem: undefined };
}

const noState: FoundSeat = { kind: 'unknown', failure: undefined };

function orFailure<Value>(work: () => Value): Value | Failure {
  try {
    return work();
  } catch (problem) {
    if (problem instanceof Failure) return problem;
    throw problem;
  }
}

function readSeat({ state }: Config): FoundSeat {
  if (!existsSync(join(state, 'state.db'))) return { kind: 'none' };
  const seat = orFailure(() => {
    using database = openDatabase(state);
    return new SeatStore(database).read();
  });
  if (seat instanceof Failure) return { kind: 'unknown', failure: seat };
  return seat === undefined ? { kind: 'none' } : { kind: 'seat', seat };
}

export function judgeConfiguration({ file, config, problem }: Ground): Check {
  if (problem !== undefined) return error(configurationCheck, problem.message, problem.hint);
  const peers = config?.peers.map(({ name }) => name) ?? [];
  const lists = config?.watchlists.join(', ') ?? '';
  const about = `peers ${peers.join(', ') || 'none'}, watchlists ${lists}`;
  return ok(configurationCheck, `${file} is valid: ${about}`);
}

/** What makes whatever of this node is missing, and keeps the rest. */
export function initCommand({ config, seat, file }: Pick<Ground, 'config' | 'seat' | 'file'>): string {
  const role = seat.kind === 'seat' ? seat.seat.role : 'active|passive';
  return `bm-confsync init --node ${config?.node ?? 'NAME'} --role ${role} --config ${shellWord(file)}`;
}

export function judgeSeat({ config, seat, file }: Ground): Check {
  const name = 'seat';
  if (config === undefined) return notChecked(name, noConfiguration);
  switch (seat.kind) {
    case 'seat':
      return ok(name, `${config.node} is ${seat.seat.role} with epoch ${seat.seat.epoch}`);
    case 'none': {
      return error(
        name,
        `expected a seat in ${config.state}, found none: this node was never initialised`,
        initCommand({ config, seat, file }),
      );
    }
    case 'unknown': {
      // The check of modes tells of it, with what mends it.
      if (seat.failure === undefined || seat.failure.code === 'state-unsafe')
        return notChecked(name, `the state in ${config.state} is not opened while others can get at it`);
      return error(name, seat.failure.message, seat.failure.hint);
    }
  }
}
