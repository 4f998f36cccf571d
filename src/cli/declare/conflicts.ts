import { type Command, Option } from 'commander';
import type { Io } from '../io.ts';
import { type Common, declare, declareFamily, type Ends, peerExits } from './command.ts';

/** What waits for a person to choose between two contents. */
export function declareConflicts(program: Command, io: Io, ends: Ends): void {
  const conflicts = declareFamily(program, {
    name: 'conflicts',
    summary: 'Paths on which the nodes differ and a person decides. Without a second word: list.',
  });
  declare(
    conflicts,
    {
      name: 'list',
      summary: 'All conflicts that wait.',
      examples: ['conflicts list', 'conflicts --json'],
      exits: ['1  there are conflicts'],
    },
    { isDefault: true },
  )
    .option('--json', 'machine-readable', false)
    .action((options: Common) =>
      ends(import('../commands/conflicts.ts').then(({ listConflicts }) => listConflicts(options, io))),
    );
  declare(conflicts, {
    name: 'show',
    summary:
      'The three-way picture of one conflict: what was agreed, what each node has, and how they differ.',
    examples: ['conflicts show 3f2a9c1b70'],
    exits: [],
  })
    .argument('<ID>', 'as `conflicts list` shows it')
    .option('--mask', 'hide passwords, tokens and keys in what is shown', false)
    .option('--json', 'machine-readable', false)
    .action((id: string, options: Common & { mask: boolean }) =>
      ends(
        import('../commands/conflicts.ts').then(({ showConflict }) => showConflict({ ...options, id }, io)),
      ),
    );
  declare(conflicts, {
    name: 'resolve',
    summary:
      'Settle conflicts: both nodes get what the chosen one has. The other content is kept as a version.',
    examples: [
      'conflicts resolve 3f2a9c1b70 --take active',
      'conflicts resolve 3f2a9c1b70 77b0d1e2f3 --take passive',
    ],
    exits: ['1  some conflicts could not be settled', ...peerExits],
  })
    .argument('<ID...>', 'as `conflicts list` shows them')
    .addOption(
      new Option('--take <NODE>', 'whose content both nodes get')
        .choices(['active', 'passive'])
        .makeOptionMandatory(),
    )
    .option('--json', 'machine-readable', false)
    .action((ids: string[], options: Common & { take: 'active' | 'passive' }) =>
      ends(
        import('../commands/resolve.ts').then(({ resolveCommand }) =>
          resolveCommand({ ...options, ids }, io),
        ),
      ),
    );
}
