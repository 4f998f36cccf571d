import type { Command } from 'commander';
import type { ReplicaPath } from '../../core/path.ts';
import type { Io } from '../io.ts';
import { type Common, declare, type Ends, peerExits, replicaPath } from './command.ts';

/** What was kept of contents that were overwritten, removed or refused. */
export function declareVersions(program: Command, io: Io, ends: Ends): void {
  declare(program, {
    name: 'history',
    summary: 'What was kept of a path on this node and on each peer: overwritten, removed or refused.',
    examples: ['history /etc/postfix/main.cf', 'history /etc/postfix/main.cf --json'],
    exits: [],
  })
    .argument('<PATH>', 'absolute path', replicaPath)
    .option('--json', 'machine-readable', false)
    .action((path: ReplicaPath, options: Common) =>
      ends(import('../commands/history.ts').then(({ history }) => history({ ...options, path }, io))),
    );
  declare(program, {
    name: 'restore',
    summary:
      'Put a kept version back on the active node, from where it is replicated. What it replaces is kept.',
    examples: [
      'restore /etc/postfix/main.cf --version 3f2a9c1b70 --diff',
      'restore /etc/postfix/main.cf --version 3f2a9c1b70',
    ],
    exits: ['1  with --diff: the version is not what is there', ...peerExits],
  })
    .argument('<PATH>', 'absolute path', replicaPath)
    .requiredOption('--version <ID>', 'id of the version, as `history` shows it')
    .option('--diff', 'show what would change, and change nothing', false)
    .option('--mask', 'hide passwords, tokens and keys in what is shown', false)
    .option('--yes', 'do not ask', false)
    .option('--json', 'machine-readable', false)
    .action(
      (
        path: ReplicaPath,
        options: Common & { version: string; diff: boolean; mask: boolean; yes: boolean },
      ) =>
        ends(
          import('../commands/restore.ts').then(({ restoreCommand }) =>
            restoreCommand({ ...options, path, id: options.version }, io),
          ),
        ),
    );
}
