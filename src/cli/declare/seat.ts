import type { Command } from 'commander';
import type { Io } from '../io.ts';
import { type Common, declare, declareFamily, duration, type Ends } from './command.ts';

/** Who is active, and whether anything is replicated at all. */
export function declareSeat(program: Command, io: Io, ends: Ends): void {
  declare(program, {
    name: 'promote',
    summary: 'Make this node the active one. Every peer that answers becomes passive first.',
    examples: ['promote', 'promote --fenced   # only when the other node is powered off'],
    exits: ['4  refused: a node that may be active does not answer'],
  })
    .option('--fenced', 'nodes that do not answer are powered off (STONITH); you made sure', false)
    .action((options: { config: string; fenced: boolean }) =>
      ends(import('../commands/seat.ts').then(({ promoteCommand }) => promoteCommand(options, io))),
    );
  declare(program, {
    name: 'demote',
    summary: 'Make this node passive, after it has sent what it had.',
    examples: ['demote'],
    exits: ['4  refused, with the reason'],
  }).action((options: { config: string }) =>
    ends(import('../commands/seat.ts').then(({ demoteCommand }) => demoteCommand(options, io))),
  );
  declare(program, {
    name: 'ready',
    summary: 'Could this passive node take over now? Yes, or every reason why not.',
    examples: ['ready', 'ready --nagios', 'ready --json'],
    exits: ['1  not ready, each reason is named'],
  })
    .option('--json', 'machine-readable', false)
    .option('--nagios', 'one line with perfdata; exits 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN', false)
    .action((options: Common & { nagios: boolean }) =>
      ends(import('../commands/ready.ts').then(({ ready }) => ready(options, io))),
    );
  declareSwitch(program, io, ends);
}

function declareSwitch(program: Command, io: Io, ends: Ends): void {
  const ha = declareFamily(program, {
    name: 'ha',
    summary: 'The switch: whether the nodes replicate at all.',
  });
  declare(ha, {
    name: 'disable',
    summary: 'Stop replication on all nodes, for an upgrade. Survives a restart.',
    examples: [
      'ha disable --reason "upgrade to 5.2"',
      'ha disable --reason upgrade --for 2h',
      'ha disable --reason test --local',
    ],
    exits: ['3  a peer could not be told'],
  })
    .requiredOption('--reason <TEXT>', 'why, for whoever looks')
    .option('--for <DURATION>', 'ends by itself after this long', duration)
    .option('--local', 'this node alone', false)
    .option('--json', 'machine-readable', false)
    .action((options: Common & { reason: string; for?: number; local: boolean }) =>
      ends(import('../commands/ha.ts').then(({ disable }) => disable(options, io))),
    );
  declare(ha, {
    name: 'enable',
    summary: 'Start replication again, and tell what had changed meanwhile.',
    examples: ['ha enable', 'ha enable --local'],
    exits: ['1  conflicts were found', '3  a peer could not be told'],
  })
    .option('--local', 'this node alone', false)
    .option('--json', 'machine-readable', false)
    .action((options: Common & { local: boolean }) =>
      ends(import('../commands/ha.ts').then(({ enable }) => enable(options, io))),
    );
  declare(ha, {
    name: 'status',
    summary: 'What the switch of this node says, since when and why.',
    examples: ['ha status'],
    exits: [],
  })
    .option('--json', 'machine-readable', false)
    .action((options: Common) =>
      ends(import('../commands/ha.ts').then(({ haStatus }) => haStatus(options, io))),
    );
}
