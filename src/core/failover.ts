import type { NotReadyCode, Readiness } from './readiness.ts';

/** One reason against a failover now; `text`: a few words. What can come from a peer in it is not escaped. */
export type FailoverReason = { readonly code: string; readonly text: string };

/** `safe` exactly when there is no reason against it. */
export type Failover = { readonly safe: boolean; readonly reasons: readonly FailoverReason[] };

export type ActiveFacts = {
  /** Whether the daemon runs; without it nothing is known of the peers. */
  readonly daemon: boolean;
  readonly haEnabled: boolean;
  readonly halted: boolean;
  readonly conflicts: number;
  readonly peers: readonly {
    readonly name: string;
    readonly state: 'offline' | 'suspended' | 'connecting' | 'reconciling' | 'live';
    readonly pending: number;
    /** Paths that could not be sent. */
    readonly held: number;
    readonly watchlistsAgree: boolean | null;
    /** No canary arrives there: changes may not be noticed. */
    readonly canarySilent?: boolean;
  }[];
};

/**
 * Whether a peer of this active node could take over without losing anything, as far as the active knows. One peer
 * is enough; the reasons of the one that lacks least are told.
 */
export function failoverFromActive(facts: ActiveFacts): Failover {
  const own: FailoverReason[] = [];
  if (!facts.daemon) own.push({ code: 'no-daemon', text: 'the daemon does not run here' });
  if (!facts.haEnabled) own.push({ code: 'ha-disabled', text: 'HA is disabled' });
  if (facts.halted) own.push({ code: 'halted', text: 'replication is halted' });
  if (facts.conflicts > 0) own.push({ code: 'conflicts', text: waiting(facts.conflicts) });
  if (facts.peers.length === 0) own.push({ code: 'no-peers', text: 'there is no peer' });
  const ofPeers = facts.daemon ? facts.peers.map(peerReasons) : [];
  const [best = []] = ofPeers.sort((a, b) => a.length - b.length);
  const reasons = [...own, ...best];
  return { safe: reasons.length === 0, reasons };
}

function waiting(conflicts: number): string {
  return conflicts === 1 ? '1 conflict waits' : `${conflicts} conflicts wait`;
}

function peerReasons(peer: ActiveFacts['peers'][number]): FailoverReason[] {
  const { name, state, pending, held } = peer;
  const reasons: FailoverReason[] = [];
  if (state === 'reconciling') reasons.push({ code: 'reconciling', text: `${name} is being compared` });
  else if (state !== 'live') reasons.push({ code: 'not-connected', text: `${name} is not connected` });
  if (pending > 0) reasons.push({ code: 'pending', text: `${pending} not yet on ${name}` });
  if (held > 0) reasons.push({ code: 'held', text: `${held} cannot be sent to ${name}` });
  if (peer.canarySilent === true) reasons.push({ code: 'canary-silent', text: `no canary reaches ${name}` });
  if (peer.watchlistsAgree === false) reasons.push({ code: 'watchlists-differ', text: 'watchlists differ' });
  return reasons;
}

const passiveTexts = {
  'is-active': 'this node is active',
  'ha-disabled': 'HA is disabled',
  'no-daemon': 'the daemon does not run here',
  'never-in-sync': 'the active was never heard',
  stale: 'the active was not heard lately',
  halted: 'the active is halted',
  'watchlists-differ': 'watchlists differ',
  conflicts: 'conflicts wait',
  held: 'paths could not be brought here',
  pending: 'changes have not arrived',
} as const satisfies Record<NotReadyCode, string>;

/** What readiness says of this passive, in a few words each. */
export function failoverFromPassive({ reasons }: Readiness): Failover {
  const codes = [...new Set(reasons.map(({ code }) => code))];
  return { safe: codes.length === 0, reasons: codes.map((code) => ({ code, text: passiveTexts[code] })) };
}
