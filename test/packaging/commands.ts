import type { Command } from 'commander';
import { declareProgram } from '../../src/cli/arguments.ts';

export type Known = { readonly words: readonly string[]; readonly command: Command };

/** Every command of the program as it is declared, the program itself first. */
export function knownCommands(): Known[] {
  const io = { out: () => undefined, err: () => undefined, colour: false, interactive: false };
  const walk = (command: Command, words: readonly string[]): Known[] => [
    { words, command },
    ...command.commands.flatMap((child) => walk(child, [...words, child.name()])),
  ];
  return walk(
    declareProgram(io, async () => undefined),
    [],
  );
}

/** The long options of a command; those that are hidden are for nobody to type. */
export function longOptions(command: Command): string[] {
  return command.options
    .filter((option) => !option.hidden)
    .map((option) => option.long)
    .filter((long) => typeof long === 'string');
}
