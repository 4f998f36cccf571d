import type { Status } from '../../src/cli/status.ts';

/** When they are looked at. */
export const now = 1_000_000_000_000;

export const peer: Status['peers'][number] = {
  name: 'mail2',
  connected: true,
  state: 'live',
  detail: null,
  pending: 0,
  lastAckAt: now - 5000,
  lagMs: 4,
  skewMs: 0,
  watchlistsAgree: true,
  troubles: [],
  hookFailures: [],
};

/** An active node with one peer, and nothing to tell. */
export const healthy: Status = {
  node: 'mail1',
  role: 'active',
  epoch: 3,
  ha: { state: 'enabled', reason: null, since: null },
  following: null,
  daemon: true,
  peers: [peer],
  conflicts: 0,
  oldestConflicts: [],
  halt: null,
  haltedAt: null,
  failover: { safe: true, reasons: [] },
  split: false,
  watching: { paths: 5012, directories: 310, degraded: null },
  watchlists: ['bluemind'],
  troubles: [],
};

/** A passive node with nothing to tell. */
export const following: Status = {
  ...healthy,
  node: 'mail2',
  role: 'passive',
  following: { active: 'mail1', connected: true, heardAt: now - 3000, pending: 0 },
  peers: [],
};
