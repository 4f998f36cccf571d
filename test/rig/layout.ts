/** Checks of how the sources are laid out. They take texts and return sentences; no sentence: all is well. */

/** Paths relative to the checkout, with what is in the files. */
export type Sources = ReadonlyMap<string, string>;

/** A folder imports from itself and from the floors below its own. */
const floors = [
  ['core'],
  ['config', 'files', 'wire', 'log'],
  ['state', 'watch'],
  ['ha', 'control'],
  ['active', 'passive'],
  ['cli'],
] as const;

const importPattern = /(?:^|[\s;])(?:import|export)\s(?:[^'"`;]*?\sfrom\s)?\s*['"]([^'"]+)['"]/g;
const dynamicImportPattern = /\bimport\(\s*['"]([^'"]+)['"]/g;

/** Everything that a file imports or re-exports, also dynamically and as types, as it is written. */
export function importsOf(source: string): string[] {
  const text = withoutComments(source);
  return [importPattern, dynamicImportPattern].flatMap((pattern) =>
    [...text.matchAll(pattern)].map((match) => match[1] ?? ''),
  );
}

/**
 * Comments that begin a line, and line comments after code, taken away; the number of lines stays. A block
 * comment within a line stays too, since a glob in a text looks like one.
 */
export function withoutComments(source: string): string {
  return source
    .replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, (comment) => comment.replace(/[^\n]/g, ''))
    .replace(/(^|\s)\/\/.*$/gm, '$1');
}

/** Imports of a folder on the same floor or above. */
export function floorFaults(sources: Sources): string[] {
  const faults: string[] = [];
  for (const [file, source] of sources) {
    const own = folderOf(file);
    for (const specifier of importsOf(source)) {
      if (!specifier.startsWith('.')) continue;
      const target = new URL(specifier, `file:///${file}`).pathname.slice(1);
      const other = folderOf(target);
      if (own !== other && !(levelOf(other) < levelOf(own))) {
        faults.push(`${file} imports ${target}: ${own} is not above ${other}`);
      }
    }
  }
  return faults;
}

function folderOf(file: string): string {
  const [top, folder, rest] = file.split('/');
  return top === 'src' && rest !== undefined ? (folder ?? '') : `outside of src: ${file}`;
}

/** NaN for a folder that has no floor, which then is neither above nor below any. */
function levelOf(folder: string): number {
  const level = floors.findIndex((names) => (names as readonly string[]).includes(folder));
  return level < 0 ? Number.NaN : level;
}

/** The name of the package that a specifier means; undefined for our own files and for Node's modules. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return undefined;
  const names = specifier.split('/');
  return names.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

/** Which files import each package. Files of declarations import nothing when the program runs. */
export function importersOf(sources: Sources): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [file, source] of sources) {
    if (file.endsWith('.d.ts')) continue;
    for (const name of new Set(importsOf(source).map(packageOf))) {
      if (name !== undefined) found.set(name, [...(found.get(name) ?? []), file]);
    }
  }
  return found;
}

/** Packages that only one file may know, so that they can be replaced there. */
const single = ['chokidar', 'p-queue', 'fast-glob', 'micromatch', 'xxhash-wasm', 'winston', 'prom-client'];

export function packageFaults(sources: Sources): string[] {
  const importers = importersOf(sources);
  const faults = single.flatMap((name) => {
    const files = importers.get(name) ?? [];
    return files.length === 1 ? [] : [`expected one file that imports ${name}, found ${listed(files)}`];
  });
  const ssh = importers.get('ssh2') ?? [];
  const clients = ssh.filter((file) => file.startsWith('src/active/'));
  const servers = ssh.filter((file) => !file.startsWith('src/active/'));
  if (clients.length !== 1)
    faults.push(`expected one file of src/active that imports ssh2, found ${listed(clients)}`);
  if (servers.length > 1 || servers.some((file) => !/^src\/(?:cli\/)?(?:commands\/)?demo/.test(file)))
    faults.push(`expected ssh2's server in one file of the demo, found ${listed(servers)}`);
  return faults;
}

function listed(files: readonly string[]): string {
  return files.length === 0 ? 'none' : files.join(', ');
}

const maxLines = 320;

const habits: readonly { readonly what: string; readonly pattern: RegExp; readonly inComments: boolean }[] = [
  { what: 'a note of unfinished work', pattern: /\b(?:TODO|FIXME)\b/g, inComments: true },
  {
    what: 'the type any',
    pattern: /(?:[:<|&,]\s*|\bas\s+)any\b(?=\s*(?:[[\]>;,)=|&{]|$))/gm,
    inComments: false,
  },
  { what: 'an empty catch', pattern: /\bcatch\s*(?:\([^)]*\)\s*)?\{\s*\}/g, inComments: false },
  {
    what: 'an empty catch',
    pattern: /\.catch\(\s*\(\w*\)\s*=>\s*(?:\{\s*\}|undefined)\s*,?\s*\)/g,
    inComments: false,
  },
  { what: 'a default export', pattern: /^export default\b/gm, inComments: false },
  { what: 'a barrel', pattern: /^export \* from\b/gm, inComments: false },
];

/** Long files, unfinished work, `any`, swallowed errors, default exports and barrels. */
export function habitFaults(sources: Sources): string[] {
  const faults: string[] = [];
  for (const [file, source] of sources) {
    const lines = source.trimEnd().split('\n').length;
    if (lines >= maxLines) faults.push(`${file} has ${lines} lines, expected fewer than ${maxLines}`);
    const code = withoutComments(source);
    for (const { what, pattern, inComments } of habits) {
      const text = inComments ? source : code;
      for (const match of text.matchAll(pattern))
        faults.push(`${file}:${text.slice(0, match.index).split('\n').length} has ${what}`);
    }
  }
  return faults;
}

/** Runtime dependencies that the README does not name. */
export function unnamedDependencies(dependencies: readonly string[], readme: string): string[] {
  return dependencies.filter((name) => {
    const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    return !new RegExp(`(?<![\\w/-])${escaped}(?![\\w-])`).test(readme);
  });
}
