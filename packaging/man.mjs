// `node packaging/man.mjs [FOLDER]` writes the manual pages into build/man/ or that folder: one of the program and one
// of each command, from where the commands are declared, and one of each of the two files that people write.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commands } from './commands.mjs';
import { configurationFields, watchlistFields } from './fields.ts';

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
const folder = resolve(process.argv[2] ?? join(checkout, 'build', 'man'));

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const all = commands();
for (const command of all) writeFileSync(join(folder, `${pageName(command.words)}.1`), commandPage(command));
writeFileSync(join(folder, 'bm-confsync-config.5'), configurationPage());
writeFileSync(join(folder, 'bm-confsync-watchlist.5'), watchlistPage());

function pageName(words) {
  return ['bm-confsync', ...words].join('-');
}

function commandPage(command) {
  const { words, summary, usage, options, sections, children } = command;
  const [first = summary] = summary.split(/[.;:] /);
  const page = [
    ...head(pageName(words), 1, first.replace(/\.$/, '')),
    '.SH SYNOPSIS',
    `.B ${quoted(
      usage
        .split(' ')
        .slice(0, words.length + 1)
        .join(' '),
    )}`,
    text(
      usage
        .split(' ')
        .slice(words.length + 1)
        .join(' '),
    ),
    '.SH DESCRIPTION',
    text(summary),
  ];
  if (children.length > 0)
    page.push(
      '.SH COMMANDS',
      ...children.flatMap((child) =>
        tagged(bold(child.name), `${child.summary} See ${pageName([...words, child.name])}(1).`),
      ),
    );
  if (command.arguments.length > 0)
    page.push('.SH ARGUMENTS', ...command.arguments.flatMap((one) => tagged(bold(one.name), describe(one))));
  if (options.length > 0) page.push('.SH OPTIONS', ...options.flatMap(option));
  page.push(...sections.flatMap(section));
  if (words.length === 0) page.push(...files());
  page.push('.SH SEE ALSO', text(related(words)));
  return `${page.filter((line) => line !== '').join('\n')}\n`;
}

function option(one) {
  const names = [one.short, one.long].filter((name) => name !== undefined).map(bold);
  const value = one.value === '' ? '' : ` \\fI${escaped(one.value.replace(/[<>]/g, ''))}\\fR`;
  return tagged(`${names.join(', ')}${value}`, describe(one));
}

function describe({ description, choices, mandatory, default: byDefault, value = '' }) {
  const sentence = /[.!?]$/.test(description) ? description : `${description}.`;
  return [
    sentence.charAt(0).toUpperCase() + sentence.slice(1),
    choices.length > 0 ? `One of ${choices.join(', ')}.` : '',
    mandatory ? 'Required.' : '',
    byDefault !== undefined ? `Default: ${value === '<DURATION>' ? `${byDefault / 1000}s` : byDefault}.` : '',
  ]
    .filter((part) => part !== '')
    .join(' ');
}

/** Examples as they are typed; a line that begins with a number or a word and two spaces as a list; text otherwise. */
function section({ title, lines }) {
  const heading = `.SH ${quoted(title.toUpperCase())}`;
  if (title === 'Examples') return [heading, ...verbatim(...lines)];
  const body = lines.flatMap((line) => {
    const [, key, meaning] = /^(\S+) {2,}(.*)$/.exec(line) ?? [];
    return key === undefined ? ['.PP', text(line)] : tagged(bold(key), meaning);
  });
  // The first paragraph follows its heading at once.
  return [heading, ...(body[0] === '.PP' ? body.slice(1) : body)];
}

function files() {
  return [
    '.SH FILES',
    ...tagged(bold('/etc/bm-confsync/config.yml'), 'The configuration, see bm-confsync-config(5).'),
    ...tagged(bold('/var/lib/bm-confsync'), 'Ledger, versions and conflicts; for root alone.'),
    ...tagged(bold('/run/bm-confsync'), 'The control socket of the daemon; for root alone.'),
  ];
}

function related(words) {
  const above = words.length > 0 ? [`${pageName(words.slice(0, -1))}(1)`] : [];
  return [...above, 'bm-confsync-config(5)', 'bm-confsync-watchlist(5)'].join(', ');
}

function configurationPage() {
  return `${[
    ...head('bm-confsync-config', 5, 'configuration of bm-confsync'),
    '.SH SYNOPSIS',
    '.B /etc/bm-confsync/config.yml',
    '.SH DESCRIPTION',
    text('A YAML file. Unknown keys and wrong values are errors that name file, line and key.'),
    '.SH KEYS',
    ...configurationFields.flatMap(field),
    '.SH EXAMPLES',
    ...verbatim(
      'node: mail1',
      'peers:',
      '  - name: mail2',
      '    host: 192.0.2.12',
      '    hostKey: ssh-ed25519 AAAA...',
      'watchlists: [bluemind]',
    ),
    '.SH SEE ALSO',
    text('bm-confsync(1), bm-confsync-watchlist(5)'),
  ].join('\n')}\n`;
}

function watchlistPage() {
  return `${[
    ...head('bm-confsync-watchlist', 5, 'what bm-confsync replicates'),
    '.SH DESCRIPTION',
    text(
      'A YAML file. The configuration names it by its absolute path, or by its name when it is a shipped one. Each node reads its own; both need the same. Commands in it run as root, without a shell, with a bare environment.',
    ),
    '.SH KEYS',
    ...watchlistFields.flatMap(field),
    '.SH EXAMPLES',
    ...verbatim(
      'name: local',
      'exclude: [/etc/telegraf/telegraf.d/**]',
      'groups:',
      '  - { name: mail-aliases, files: [/etc/aliases, /etc/aliases.db] }',
      'validate:',
      '  - { match: /etc/ssl/certs/bm_cert.pem, run: [openssl, x509, -noout, -in, "{file}"] }',
    ),
    '.SH SEE ALSO',
    text('bm-confsync(1), bm-confsync-config(5), bm-confsync-watchlist-test(1)'),
  ].join('\n')}\n`;
}

function field([key, byDefault, meaning]) {
  const required = byDefault === 'required';
  const told = required ? 'Required.' : `Default: ${byDefault}.`;
  return tagged(bold(key), `${meaning.charAt(0).toUpperCase()}${meaning.slice(1)}. ${told}`);
}

/** The top of a page, without a date, so that the same source gives the same page. */
function head(name, number, about) {
  return [
    `.TH ${quoted(name.toUpperCase())} ${number} "" ${quoted(`bm-confsync ${version}`)} "bm\\-confsync"`,
    '.SH NAME',
    `${escaped(name)} \\- ${escaped(about)}`,
  ];
}

function tagged(tag, meaning) {
  return ['.TP', tag, text(meaning)];
}

function verbatim(...lines) {
  return ['.nf', '.RS 4', ...lines.map((line) => unasked(escaped(line))), '.RE', '.fi'];
}

function bold(word) {
  return `\\fB${escaped(word)}\\fR`;
}

function quoted(words) {
  return `"${escaped(words).replaceAll('"', '\\(dq')}"`;
}

/** Lines of text, none of them long; what stands in backticks is bold. */
function text(words) {
  const made = escaped(words).replaceAll(/`([^`]*)`/g, '\\fB$1\\fR');
  const lines = [''];
  for (const word of made.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && line.length + word.length > 76) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.map(unasked).join('\n');
}

/** A dot or quote in front of a line is no request. */
function unasked(line) {
  return /^[.']/.test(line) ? `\\&${line}` : line;
}

/** Backslashes, hyphens that are typed, and what is not ASCII. */
function escaped(line) {
  return line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(
      /[^\x20-\x7e]/gu,
      (sign) => `\\[u${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`,
    );
}
