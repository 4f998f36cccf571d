// The commands of the program as data, read from where they are declared: what manual pages and completions are made
// of. Whatever is declared there, here or in the future, is in both.
import { declareProgram } from '../src/cli/arguments.ts';

/**
 * Every command, the program first, families before their members:
 * `words` (without the program's own name), `summary`, `usage`, `options`, `arguments`, `sections` (what the help text
 * has after the options: title and lines) and `children` (their names).
 */
export function commands() {
  const io = { out: () => undefined, err: () => undefined, colour: false, interactive: false };
  return walk(
    declareProgram(io, async () => undefined),
    [],
  );
}

function walk(command, words) {
  const help = command.createHelp();
  const children = help.visibleCommands(command);
  const own = {
    words,
    summary: command.description(),
    usage: help.commandUsage(command),
    options: help.visibleOptions(command).map(optionOf),
    arguments: command.registeredArguments.map(argumentOf),
    sections: sectionsOf(command),
    children: children.map((child) => ({ name: child.name(), summary: child.description() })),
  };
  return [own, ...children.flatMap((child) => walk(child, [...words, child.name()]))];
}

function optionOf(option) {
  const [, value = ''] = /([<[].*[>\]])$/.exec(option.flags) ?? [];
  const { short, long, description, argChoices, mandatory, defaultValue } = option;
  // A switch that is off says nothing that its reader does not know.
  const told = value !== '' && defaultValue !== undefined;
  return {
    short,
    long,
    value,
    description,
    choices: argChoices ?? [],
    mandatory,
    default: told ? defaultValue : undefined,
  };
}

function argumentOf(argument) {
  const name = argument.variadic ? `${argument.name()}...` : argument.name();
  return {
    name: argument.required ? `<${name}>` : `[${name}]`,
    description: argument.description,
    choices: argument.argChoices ?? [],
    variadic: argument.variadic,
  };
}

/** What addHelpText put after the options: a title that ends in a colon, and the lines below it, or a line alone. */
function sectionsOf(command) {
  let text = '';
  const writeOut = (part) => {
    text += part;
  };
  command.configureOutput({ ...command.configureOutput(), writeOut }).outputHelp();
  const after = text.slice(command.helpInformation().length);
  const sections = [];
  for (const line of after.split('\n').filter((one) => one.trim() !== '')) {
    const [, title, rest] = /^([A-Z][^:]*):(.*)$/.exec(line) ?? [];
    if (title !== undefined) sections.push({ title, lines: rest.trim() === '' ? [] : [rest.trim()] });
    else if (sections.length === 0) sections.push({ title: 'Notes', lines: [line.trim()] });
    else sections.at(-1).lines.push(line.trim());
  }
  return sections;
}
