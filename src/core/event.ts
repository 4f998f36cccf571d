import type { SilenceCause } from './canary.ts';
import type { Entry } from './entry.ts';
import type { Reason } from './failure.ts';
import type { ConflictKind } from './plan.ts';
import type { Role } from './seat.ts';

/**
 * What the program has to tell. The log, `status` and the tests read the same values. Never holds the
 * content of a file or a key.
 */
export type Event =
  | { readonly kind: 'started'; readonly node: string; readonly role: Role; readonly epoch: number }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'passive'; readonly node: string; readonly epoch: number }
  | { readonly kind: 'active'; readonly node: string; readonly epoch: number }
  | { readonly kind: 'watching'; readonly directories: number; readonly paths: number }
  | { readonly kind: 'watch-failed'; readonly detail: string; readonly hint: string }
  | { readonly kind: 'listed-path-missing'; readonly path: string; readonly watchlist: string }
  | { readonly kind: 'connecting'; readonly peer: string }
  | { readonly kind: 'connected'; readonly peer: string; readonly epoch: number; readonly version: string }
  | {
      readonly kind: 'disconnected';
      readonly peer: string;
      readonly detail: string;
      readonly retryMs: number;
    }
  | { readonly kind: 'watchlists-differ'; readonly peer: string }
  | {
      readonly kind: 'reconciled';
      readonly peer: string;
      readonly why: string;
      readonly checked: number;
      readonly pushed: number;
      readonly conflicts: number;
      readonly durationMs: number;
    }
  | {
      readonly kind: 'pushed';
      readonly peer: string;
      readonly path: string;
      readonly what: Entry['kind'];
      readonly result: 'applied' | 'already-there';
      readonly lagMs: number;
    }
  /** A directory was renamed with all that is in it: on the peer, or, where no peer is named, on this node. */
  | {
      readonly kind: 'moved';
      readonly peer?: string;
      readonly from: string;
      readonly to: string;
      readonly paths: number;
      readonly lagMs?: number;
    }
  /** A peer did not rename a directory: each path goes by itself. */
  | {
      readonly kind: 'move-declined';
      readonly peer: string;
      readonly from: string;
      readonly to: string;
      readonly detail: string;
    }
  | { readonly kind: 'placed'; readonly path: string; readonly what: Entry['kind'] }
  | {
      readonly kind: 'path-failed';
      readonly peer?: string;
      readonly path: string;
      readonly reason: Reason;
      readonly detail: string;
    }
  | { readonly kind: 'refused'; readonly peer: string; readonly reason: Reason; readonly detail: string }
  | {
      readonly kind: 'conflict';
      readonly peer: string;
      readonly path: string;
      readonly conflict: ConflictKind;
    }
  /** An apply hook of the passive failed after a path was placed there. */
  | {
      readonly kind: 'hook-failed';
      readonly peer?: string;
      readonly path?: string;
      readonly command?: string;
      readonly detail: string;
    }
  /** One named step of a longer piece of work: promote, demote, resolve, restore. */
  | { readonly kind: 'step'; readonly what: string; readonly step: string; readonly path?: string }
  | { readonly kind: 'suspended'; readonly detail: string }
  | { readonly kind: 'adopted'; readonly peer: string; readonly path: string }
  | { readonly kind: 'pruned'; readonly versions: number; readonly bytes: number }
  | { readonly kind: 'seat-refused'; readonly detail: string }
  | { readonly kind: 'stepped-down'; readonly peer: string; readonly epoch: number }
  | { readonly kind: 'halted'; readonly reason: string; readonly detail: string }
  | { readonly kind: 'resumed' }
  | { readonly kind: 'overflow-suspected'; readonly events: number }
  /** The program of a validator or an apply hook is not installed. Told once a process. */
  | { readonly kind: 'validator-skipped'; readonly command: string }
  /** The canary was not acknowledged in time: changes may go unnoticed. `detail`: why the peer refuses it. */
  | {
      readonly kind: 'canary-silent';
      readonly peer: string;
      readonly silentMs: number;
      readonly cause: SilenceCause;
      readonly detail?: string;
    }
  | { readonly kind: 'canary-heard'; readonly peer: string; readonly latencyMs: number }
  /** No canary could be written on this node. */
  | { readonly kind: 'canary-failed'; readonly detail: string }
  /** Nobody can read the metrics at `where`. */
  | { readonly kind: 'metrics-failed'; readonly where: string; readonly detail: string }
  | { readonly kind: 'leftover-swept'; readonly path: string; readonly kept: boolean };

/** Where events go. */
export type Log = (event: Event) => void;
