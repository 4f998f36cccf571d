// The Node that goes into the packages: the one of node_modules, without its symbols for debuggers (34 MB), and with
// the one library that it wants and that not every server has, libatomic, beside it. What else it wants is libc, and
// the C++ library that apt and dnf themselves are made with.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { output, refuse, run } from './run.mjs';

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(checkout, 'node_modules', 'node', 'bin', 'node');

/** The version of Node in node_modules, such as 26.10.0. */
export const nodeVersion = JSON.parse(
  readFileSync(join(checkout, 'node_modules', 'node', 'package.json'), 'utf8'),
).version;

/** The newest glibc that Node, koffi and libatomic ask for, with which the packages install. */
export function glibcOf(files) {
  const found = files.flatMap((file) => {
    const symbols = output('objdump', ['-T', file]);
    return [...symbols.matchAll(/\bGLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) =>
      [major, minor].map(Number),
    );
  });
  found.sort(([majorA, minorA], [majorB, minorB]) => majorB - majorA || minorB - minorA);
  return found[0]?.join('.') ?? refuse('expected programs that are linked with glibc, found none');
}

/** Makes the folder with `node` and `libatomic.so.1`, where it is not there yet. Two builds may do so at once. */
export function prepareRuntime(folder) {
  const node = join(folder, 'node');
  if (existsSync(node) && statSync(node).mtimeMs >= statSync(source).mtimeMs) return;
  mkdirSync(folder, { recursive: true });
  const unfinished = mkdtempSync(join(folder, 'unfinished-'));
  const made = join(unfinished, 'node');
  copyFileSync(libatomic(), join(unfinished, 'libatomic.so.1'));
  copyFileSync(source, made);
  strip(made);
  run('patchelf', ['--set-rpath', '$ORIGIN', made]);
  const version = output(made, ['--version']).trim();
  if (version !== `v${nodeVersion}`)
    refuse(`expected the changed Node to say v${nodeVersion}, found ${version}`);
  // Node last: where it is, both are.
  for (const name of ['libatomic.so.1', 'node']) renameSync(join(unfinished, name), join(folder, name));
  rmdirSync(unfinished);
}

/** Takes away what only debuggers read. What other libraries look up by name stays: koffi needs it. */
export function strip(file) {
  run('strip', ['--strip-unneeded', '--remove-section=.comment', file]);
}

function libatomic() {
  const found = /libatomic\.so\.1 => (\S+)/.exec(output('ldd', [source]))?.[1];
  return found ?? refuse('expected libatomic.so.1 on this machine, found none', 'apt-get install libatomic1');
}

/** What Debian says about the origin and the licence of libatomic, with the runtime exception of GCC. */
export function libatomicLicence() {
  const file = '/usr/share/doc/libatomic1/copyright';
  if (!existsSync(file)) refuse(`expected ${file}, found none`, 'build on Debian or Ubuntu, with libatomic1');
  return readFileSync(file, 'utf8');
}
