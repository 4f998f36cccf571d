import type { Command } from 'commander';
import { declareProgram } from '../../src/cli/arguments.ts';

export type Known = { readonly words: readonly string[]; readonly command: Command };

/** Every command of the program as it is declared, the program itself first. */
export function knownCommands(): Known[] {
  const io = { out: () => undefined, err: () => undefined, colour: false, interactive: false };
  const walk = (command: Command, words: readonly string[]): Known[] => [
    { words, command },
    ...childrenOf(command).flatMap((child) => walk(child, [...words, child.name()])),
  ];
  return walk(
    declareProgram(io, async () => undefined),
    [],
  );
}

/** The commands below one; those that are hidden are for nobody to type. */
export function childrenOf(command: Command): Command[] {
  // Its help command comes last, and has no name of ours.
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((child) => command.commands.includes(child));
}

/** The long options of a command; those that are hidden are for nobody to type. */
export function longOptions(command: Command): string[] {
  return command.options
    .filter((option) => !option.hidden)
    .map((option) => option.long)
    .filter((long) => typeof long === 'string');
}

/**
 * What of a command line the program does not know: a command or a long option, the first of them. Undefined when it
 * knows all. `words` are without the program's own name.
 */
export function unknownWord(words: readonly string[]): string | undefined {
  const known = knownCommands();
  const named = known
    .filter((one) => one.words.every((word, index) => word === words[index]))
    .toSorted((a, b) => b.words.length - a.words.length)[0];
  if (named === undefined || named.words.length === 0) return words[0];
  // A family may stand for the first of its commands, with its options.
  const commands = [named.command, ...named.command.commands];
  const long = words.filter((word) => word.startsWith('--')).map((word) => word.replace(/=.*/, ''));
  const takes = new Set(commands.flatMap(longOptions));
  return long.find((option) => !takes.has(option) && option !== '--help');
}
