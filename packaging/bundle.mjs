// `node packaging/bundle.mjs [FOLDER]` bundles the program into dist/ or that folder: a start without the stripping
// of types, and chunks that are loaded when a command needs them. Plain JavaScript, as all that has to run before
// anything is built.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
const outdir = resolve(process.argv[2] ?? join(checkout, 'dist'));

// What CommonJS takes for granted, and bundled packages ask for. There is no `require`: the parts of Node come by
// the plugin below, and the native parts of ssh2, which it tries to load, are not meant to be found.
const commonJs = 'const __dirname = import.meta.dirname, __filename = import.meta.filename;';

/**
 * Takes each part of Node as `require` would. An `import` of one reads all it exports first, so that the first
 * `node:fs` also loads node:fs/promises, node:readline, streams and watchers: 2 ms of a start of 30. Of what is imported
 * by name only those names are read, once for all files: a copy of all names for each of a hundred files takes 3 ms.
 */
const partsOfNode = {
  name: 'parts of Node',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[a-z]/ }, ({ path, kind }) => {
      const namespace = kind === 'require-call' ? 'node as a whole' : 'node by name';
      return isBuiltin(path) ? { path: path.replace(/^node:/, ''), namespace } : undefined;
    });
    onLoad({ filter: /.*/, namespace: 'node as a whole' }, ({ path }) => {
      return { contents: `module.exports = process.getBuiltinModule('node:${path}');` };
    });
    onLoad({ filter: /.*/, namespace: 'node by name' }, ({ path }) => {
      const names = Object.keys(process.getBuiltinModule(`node:${path}`)).filter((name) =>
        /^\w+$/.test(name),
      );
      const exported = names.map((name) => `export const ${name} = /* @__PURE__ */ take('${name}');`);
      const whole = `const part = process.getBuiltinModule('node:${path}'); export default part;`;
      return { contents: [whole, 'const take = (name) => part[name];', ...exported].join('\n') };
    });
  },
};

/** The start loads the program, or the daemon's, as it is written beside it. */
const programApart = {
  name: 'program apart',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/(program|service)\.ts$/ }, ({ path }) => {
      return { path: path.replace(/\.ts$/, '.mjs'), external: true };
    });
  },
};

/** koffi is loaded when something of it is asked for: its native part takes 9 ms, and most commands call nothing of libc. */
const koffiLate = {
  name: 'koffi late',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^koffi$/ }, () => ({ path: 'koffi', namespace: 'late' }));
    onLoad({ filter: /.*/, namespace: 'late' }, () => ({
      contents: `let koffi;
const load = process.getBuiltinModule('node:module').createRequire(import.meta.url);
export default new Proxy({}, { get: (_, name) => (koffi ??= load('koffi'))[name] });`,
    }));
  },
};

/** What winston says about itself where DEBUG asks for it, which nobody does here: 6 ms of a start of 170, for its colours. */
const winstonSilent = {
  name: 'winston silent',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@dabh\/diagnostics$/ }, ({ path }) => ({ path, namespace: 'silent' }));
    onLoad({ filter: /.*/, namespace: 'silent' }, () => ({
      contents: 'module.exports = () => () => false;',
    }));
  },
};

rmSync(outdir, { recursive: true, force: true });
const common = {
  absWorkingDir: checkout,
  outdir: join(outdir, 'lib'),
  outExtension: { '.js': '.mjs' },
  bundle: true,
  metafile: true,
  platform: 'node',
  format: 'esm',
  target: 'node26',
  minifySyntax: true,
  minifyWhitespace: true,
  // Collected below, with the licences.
  legalComments: 'none',
  banner: { js: commonJs },
  logLevel: 'warning',
};

const inChunks = {
  chunkNames: 'part-[hash]',
  splitting: true,
  // Packages with native parts stay as they are: koffi's are needed, ssh2 does without its own.
  external: ['cpu-features', '*.node'],
  plugins: [partsOfNode, koffiLate, winstonSilent],
};

// The start is one file, since each further one that is loaded costs 0.5 ms.
const start = await build({
  ...common,
  entryPoints: { main: 'src/cli/main.ts' },
  plugins: [partsOfNode, programApart],
});
const program = await build({
  ...common,
  entryPoints: { program: 'src/cli/program.ts' },
  ...inChunks,
});
// The daemon's program has its own chunks: with those of all commands it would be in a dozen files before it watches.
const service = await build({
  ...common,
  entryPoints: { service: 'src/cli/service.ts' },
  ...inChunks,
});

const { name, version, license } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
writeFileSync(
  join(outdir, 'package.json'),
  `${JSON.stringify({ name, version, license, type: 'module' })}\n`,
);
writeFileSync(join(outdir, 'LICENSES'), licences([start, program, service]));
cpSync(join(checkout, 'watchlists'), join(outdir, 'watchlists'), { recursive: true });
copyKoffi(join(outdir, 'node_modules'));

/** koffi with the one native part that this machine's kind of node needs. */
function copyKoffi(to) {
  const from = join(checkout, 'node_modules');
  const own = `linux-${process.arch}`;
  mkdirSync(to, { recursive: true });
  for (const name of ['koffi', `@koromix/koffi-${own}`]) {
    cpSync(join(from, name), join(to, name), {
      recursive: true,
      filter: (path) => statSync(path).isDirectory() || /\.(c?js|json|node)$|LICENSE[^/]*$/.test(path),
    });
  }
}

/** What the licences of the bundled packages ask for: their text with every copy. */
function licences(results) {
  const inputs = results.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  // Of node_modules/a/node_modules/b/c.js: node_modules/a/node_modules/b.
  const folders = inputs.map((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]);
  const found = [...new Set(folders.filter((folder) => folder !== undefined)), 'node_modules/koffi'].sort();
  return found.map(licence).join(`\n${'-'.repeat(80)}\n`);
}

function licence(folder) {
  const about = JSON.parse(readFileSync(join(checkout, folder, 'package.json'), 'utf8'));
  const file = readdirSync(join(checkout, folder)).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file === undefined ? '' : `\n${readFileSync(join(checkout, folder, file), 'utf8').trim()}\n`;
  return `${[`${about.name} ${about.version}`, about.license].filter(Boolean).join(': ')}\n${text}`;
}
