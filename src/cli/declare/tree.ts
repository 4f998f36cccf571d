import type { Command } from 'commander';
import type { ReplicaPath } from '../../core/path.ts';
import type { Io } from '../io.ts';
import {
  type Common,
  declare,
  duration,
  type Ends,
  peerExits,
  replicaPath,
  replicaPaths,
} from './command.ts';

/** What compares the trees of both nodes and makes them equal. */
export function declareTree(program: Command, io: Io, ends: Ends): void {
  declare(program, {
    name: 'verify',
    summary: 'Compare both nodes and change nothing.',
    examples: ['verify', 'verify --diff', 'verify --full --json', 'verify --nagios'],
    exits: ['1  drift found', ...peerExits],
  })
    .option('--full', 'read every file again on both nodes, and compare mtimes too', false)
    .option('--diff', 'show what differs: unified for text, sizes for binary', false)
    .option('--mask', 'hide passwords, tokens and keys in what is shown', false)
    .option('--json', 'machine-readable', false)
    .option('--nagios', 'one line with perfdata; exits 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN', false)
    .action((options: Common & { full: boolean; diff: boolean; mask: boolean; nagios: boolean }) =>
      ends(import('../commands/verify.ts').then(({ verify }) => verify(options, io))),
    );
  declare(program, {
    name: 'resync',
    summary:
      'Make the passive node equal to the active one. Whatever is overwritten there is kept as a version.',
    examples: ['resync --dry-run', 'resync --yes', 'resync /etc/postfix'],
    exits: ['1  some paths could not be made equal', ...peerExits, '5  halted'],
  })
    .argument('[PATH...]', 'only these and what is below them', replicaPaths, [])
    .option('--dry-run', 'show what would be done', false)
    .option('--yes', 'do not ask', false)
    .option('--json', 'machine-readable', false)
    .action((paths: ReplicaPath[], options: Common & { dryRun: boolean; yes: boolean }) =>
      ends(
        import('../commands/resync.ts').then(({ resyncCommand }) => resyncCommand({ ...options, paths }, io)),
      ),
    );
  declare(program, {
    name: 'flush',
    summary: 'Return when every peer has made durable all that was changed so far.',
    examples: ['flush', 'flush /etc/postfix/main.cf --timeout 5s'],
    exits: ['1  some paths are held back, each is named', ...peerExits, '5  halted'],
  })
    .argument('[PATH...]', 'only these and what is below them', replicaPaths, [])
    .option('--timeout <DURATION>', 'how long to wait', duration, 30_000)
    .option('--json', 'machine-readable', false)
    .action((paths: ReplicaPath[], options: Common & { timeout: number }) =>
      ends(import('../commands/flush.ts').then(({ flush }) => flush({ ...options, paths }, io))),
    );
  declare(program, {
    name: 'explain',
    summary:
      'Why a path is in or out, its entry on each node, the agreed one, what is pending, the last error.',
    examples: ['explain /etc/postfix/main.cf'],
    exits: peerExits,
  })
    .argument('<PATH>', 'absolute path', replicaPath)
    .option('--json', 'machine-readable', false)
    .action((path: ReplicaPath, options: Common) =>
      ends(import('../commands/explain.ts').then(({ explain }) => explain({ ...options, path }, io))),
    );
  declare(program, {
    name: 'fingerprint',
    summary: 'A short text for each scope, the same on both nodes exactly when they hold the same.',
    examples: ['fingerprint', 'fingerprint postfix', 'fingerprint --json'],
    exits: [],
  })
    .argument('[SCOPE]', 'all, bm, nginx, postfix, certs, or one that a watchlist defines; default: each')
    .option('--full', 'read every file again', false)
    .option('--json', 'machine-readable', false)
    .action((scope: string | undefined, options: Common & { full: boolean }) =>
      ends(
        import('../commands/fingerprint.ts').then(({ fingerprint }) =>
          fingerprint({ ...options, scope }, io),
        ),
      ),
    );
}
