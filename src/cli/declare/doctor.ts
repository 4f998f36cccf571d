import type { Command } from 'commander';
import type { Io } from '../io.ts';
import { type Common, declare, type Ends } from './command.ts';

/** What looks for everything that could go wrong. */
export function declareDoctor(program: Command, io: Io, ends: Ends): void {
  declare(program, {
    name: 'doctor',
    summary: 'Check everything an operator would, and say what mends what is wrong. Changes nothing.',
    examples: ['doctor', 'doctor --json'],
    exits: [
      '1  a check found an error; warnings alone end with 0',
      '3  nothing is wrong but that a peer cannot be reached',
    ],
  })
    .option('--json', 'machine-readable', false)
    .action((options: Common) =>
      ends(import('../commands/doctor.ts').then(({ doctor }) => doctor(options, io))),
    );
}
