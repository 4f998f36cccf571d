// `node packaging/completion.mjs [FOLDER]` writes the completions for bash and zsh into build/completion/ or that
// folder, from where the commands are declared. Neither starts the program: a Tab costs nothing.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commands } from './commands.mjs';

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = resolve(process.argv[2] ?? join(checkout, 'build', 'completion'));

rmSync(folder, { recursive: true, force: true });
const all = commands();
write('bash', 'bm-confsync', bash());
write('zsh', '_bm-confsync', zsh());

function write(shell, file, content) {
  mkdirSync(join(folder, shell), { recursive: true });
  writeFileSync(join(folder, shell, file), content);
}

/** Whether a word of this kind is a path of this machine. */
function isPath(name) {
  return /\b(?:FILE|PATH|FOLDER)\b/.test(name);
}

/** A word that a shell takes as it stands. */
function quoted(word) {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function namesOf(option) {
  return [option.short, option.long].filter((name) => name !== undefined);
}

function bash() {
  return `# Completion of bm-confsync for bash. Made from the help texts.

# Of the command "$1": its further words, its options, those of them that take a value, and whether it takes paths.
_bm_confsync_command() {
    children='' options='' valued='' paths=''
    case "$1" in
${all.map(bashCommand).join('\n')}
    esac
}

# What the option "$2" of the command "$1" takes: some words, or paths.
_bm_confsync_value() {
    choices='' paths=''
    case "$1 $2" in
${all.flatMap(bashValues).join('\n')}
    esac
}

_bm_confsync() {
    local command='' option='' children options valued choices paths word i
    local cur="\${COMP_WORDS[COMP_CWORD]}"
    _bm_confsync_command ''
    for ((i = 1; i < COMP_CWORD; i++)); do
        word="\${COMP_WORDS[i]}"
        if [[ $word == '=' ]]; then
            continue
        elif [[ -n $option ]]; then
            option=''
        elif [[ " $valued " == *" $word "* ]]; then
            option="$word"
        elif [[ -n $word && " $children " == *" $word "* ]]; then
            command="\${command:+$command }$word"
            _bm_confsync_command "$command"
        fi
    done
    if [[ $cur == '=' ]]; then cur=''; fi
    COMPREPLY=()
    if [[ -n $option ]]; then
        _bm_confsync_value "$command" "$option"
    elif [[ $cur == -* ]]; then
        choices="$options" paths=''
    else
        choices="$children"
    fi
    if [[ -n $choices ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$cur")
    elif [[ -n $paths ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}

complete -F _bm_confsync bm-confsync
`;
}

function bashCommand(command) {
  const valued = command.options.filter((option) => option.value !== '');
  const parts = [
    ['children', command.children.map((child) => child.name)],
    ['options', command.options.flatMap(namesOf)],
    ['valued', valued.flatMap(namesOf)],
    ['paths', command.arguments.some((argument) => isPath(argument.name)) ? ['yes'] : []],
  ];
  const set = parts
    .filter(([, words]) => words.length > 0)
    .map(([name, words]) => `${name}=${quoted(words.join(' '))}`);
  return `        ${quoted(command.words.join(' '))}) ${set.join(' ')} ;;`;
}

function bashValues(command) {
  return command.options.flatMap((option) => {
    const names = namesOf(option).map((name) => quoted(`${command.words.join(' ')} ${name}`));
    if (option.choices.length > 0)
      return [`        ${names.join('|')}) choices=${quoted(option.choices.join(' '))} ;;`];
    return isPath(option.value) ? [`        ${names.join('|')}) paths='yes' ;;`] : [];
  });
}

function zsh() {
  return `#compdef bm-confsync
# Completion of bm-confsync for zsh. Made from the help texts.

${all.map(zshCommand).join('\n\n')}

if [ "$funcstack[1]" = _bm-confsync ]; then _bm_confsync "$@"; else compdef _bm_confsync bm-confsync; fi
`;
}

function zshName(words) {
  return ['_bm_confsync', ...words].join('_').replaceAll('-', '_');
}

function zshCommand(command) {
  const specs = [...command.options.flatMap(zshOption), ...command.arguments.map(zshArgument)];
  const name = zshName(command.words);
  if (command.children.length === 0)
    return `${name}() {\n  _arguments -s -S ${specs.map((spec) => `\\\n    ${spec}`).join(' ')}\n}`;
  const known = command.children.map((child) =>
    quoted(`${child.name}:${child.summary.replaceAll(':', '\\:')}`),
  );
  const calls = command.children.map(
    (child) => `    ${quoted(child.name)}) ${zshName([...command.words, child.name])} ;;`,
  );
  const family = [...specs, "'1:command:->command'", "'*:: :->rest'"];
  return `${name}() {
  local context state state_descr line
  typeset -A opt_args
  local -a known=(
${known.map((one) => `    ${one}`).join('\n')}
  )
  _arguments -C ${family.map((spec) => `\\\n    ${spec}`).join(' ')}
  case "$state" in
  command) _describe command known ;;
  rest)
    case "$line[1]" in
${calls.join('\n')}
    esac ;;
  esac
}`;
}

function zshOption(option) {
  const about = option.description.replaceAll(/[[\]:]/g, '\\$&');
  return namesOf(option).map((name) => quoted(`${name}[${about}]${zshValue(option)}`));
}

function zshValue({ value, choices }) {
  if (value === '') return '';
  const what = value.replaceAll(/[<>[\]]/g, '').toLowerCase();
  if (choices.length > 0) return `:${what}:(${choices.join(' ')})`;
  return `:${what}:${isPath(value) ? '_files' : ''}`;
}

function zshArgument(argument) {
  const what = argument.name.replaceAll(/[<>[\].]/g, '').toLowerCase();
  const action =
    argument.choices.length > 0 ? `(${argument.choices.join(' ')})` : isPath(argument.name) ? '_files' : ' ';
  return quoted(`${argument.variadic ? '*' : ''}:${what}:${action}`);
}
