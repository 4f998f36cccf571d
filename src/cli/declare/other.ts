import type { Command } from 'commander';
import type { ReplicaPath } from '../../core/path.ts';
import type { Io } from '../io.ts';
import { type Common, declare, declareFamily, type Ends, replicaPath } from './command.ts';

/** What is replicated and why, and the demo. */
export function declareOther(program: Command, io: Io, ends: Ends): void {
  const watchlist = declareFamily(program, { name: 'watchlist', summary: 'What is replicated, and why.' });
  declare(watchlist, {
    name: 'list',
    summary: 'Every rule with file and line.',
    examples: ['watchlist list'],
    exits: [],
  })
    .option('--json', 'machine-readable', false)
    .action((options: Common) =>
      ends(import('../commands/watchlist.ts').then(({ listRules }) => listRules(options, io))),
    );
  declare(watchlist, {
    name: 'test',
    summary: 'Why a path is in or out: the rule and its line.',
    examples: ['watchlist test /etc/hostname'],
    exits: ['1  the path is not replicated'],
  })
    .argument('<PATH>', 'absolute path', replicaPath)
    .option('--json', 'machine-readable', false)
    .action((path: ReplicaPath, options: Common) =>
      ends(import('../commands/watchlist.ts').then(({ testPath }) => testPath({ ...options, path }, io))),
    );
  program
    .command('demo')
    .description('The whole job in one command, on throwaway folders. Reads /etc, writes nothing there.')
    .option('--once', 'end after the tour; 0 when everything it showed was true', false)
    .addHelpText(
      'after',
      '\nExamples:\n  $ bm-confsync demo\n  $ bm-confsync demo --once\n\nExit codes:\n  0  everything shown was checked to be true\n  1  something was not',
    )
    .action((options: { once: boolean }) =>
      ends(import('../commands/demo.ts').then(({ demo }) => demo(options, io))),
    );
}
