import type * as z from 'zod';
import type { ConflictPolicy } from '../core/conflict.ts';
import { invalidConfiguration, readDocument } from './document.ts';
import { configSchema } from './schema.ts';

/** Another node. */
export type Peer = {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Absolute path of our private key. */
  readonly identityFile: string;
  /** `ssh-ed25519 AAAA...`; undefined until the nodes are paired. */
  readonly hostKey: string | undefined;
};

/** Who decides which node is active. */
export type RoleSource =
  | { readonly source: 'manual' }
  | { readonly source: 'pacemaker' }
  | {
      readonly source: 'vip';
      readonly address: string;
      /** How long the address must be here, or be gone, before the seat follows it, milliseconds. */
      readonly holdMs: number;
      /** Whoever moves the address powers the other node off first. */
      readonly fenced: boolean;
    };

/** The configuration, checked and with every default filled in. All paths are absolute and normalised. */
export type Config = {
  /** The file it was read from. */
  readonly file: string;
  readonly node: string;
  /** Prefix of every replicated path. */
  readonly root: string;
  readonly state: string;
  readonly runtime: string;
  readonly peers: readonly Peer[];
  /** Names of shipped watchlists, or absolute paths. */
  readonly watchlists: readonly string[];
  readonly role: RoleSource;
  readonly conflict: ConflictPolicy;
  readonly limits: {
    readonly maxFileSizeBytes: number;
    /** Below this much free space the passive refuses to write. */
    readonly minFreeDiskBytes: number;
    /** Beyond this difference of the nodes' clocks `newest-wins` holds, milliseconds. */
    readonly clockSkewMs: number;
    readonly massDeletion: { readonly paths: number; readonly percent: number };
  };
  readonly reconcileMinutes: number;
  readonly settle: {
    /** How long a deletion is held back, since many programs delete and write anew. */
    readonly deleteHoldMs: number;
    /** After this long a file that never rests is looked at again all the same. */
    readonly maxWaitMs: number;
  };
  /** What is kept of overwritten content: the tightest of the three counts. */
  readonly versions: { readonly count: number; readonly days: number; readonly totalSizeBytes: number };
  /** Where metrics can be read, beside the socket in `runtime`. */
  readonly metrics: {
    readonly port: { readonly address: string; readonly port: number } | undefined;
    readonly textfile: { readonly path: string; readonly everyMs: number } | undefined;
  };
  /** Between two canaries, milliseconds; undefined for none. */
  readonly canaryMs: number | undefined;
};

/**
 * Reads and checks the configuration file. Throws a Failure `config-invalid` (exit 2) that lists every
 * problem with file, line, key, what was expected and what was found.
 */
export function loadConfig(file: string): Config {
  const reading = readDocument(file, configSchema);
  if (reading.ok) return toConfig(file, reading.document.value);
  throw invalidConfiguration(
    reading.problems,
    reading.missing
      ? 'write one with `bm-confsync init --node NAME --role active|passive`, or name another with --config FILE'
      : `correct ${file} and run the command again`,
  );
}

function toConfig(file: string, raw: z.output<typeof configSchema>): Config {
  const { limits, versions, role, metrics, canary, ...same } = raw;
  return {
    ...same,
    file,
    role: toRoleSource(role),
    peers: raw.peers.map((peer) => ({ ...peer, hostKey: peer.hostKey })),
    limits: {
      maxFileSizeBytes: limits.maxFileSize,
      minFreeDiskBytes: limits.minFreeDisk,
      clockSkewMs: limits.clockSkew,
      massDeletion: limits.massDeletion,
    },
    versions: { count: versions.count, days: versions.days, totalSizeBytes: versions.totalSize },
    metrics: {
      port: metrics.port === undefined ? undefined : { address: metrics.address, port: metrics.port },
      textfile:
        metrics.textfile === undefined ? undefined : { path: metrics.textfile, everyMs: metrics.interval },
    },
    canaryMs: canary.interval === 'off' ? undefined : canary.interval,
  };
}

function toRoleSource(role: z.output<typeof configSchema>['role']): RoleSource {
  if (role.source !== 'vip') return role;
  const { hold, ...same } = role;
  return { ...same, holdMs: hold };
}
