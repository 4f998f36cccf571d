// `node packaging/bundle.mjs [FOLDER]` bundles the program into dist/ or that folder: a start without the stripping of types, and chunks that are loaded when a
// command needs them. Plain JavaScript, as all that has to run before anything is built.
import { cpSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
const outdir = resolve(process.argv[2] ?? join(checkout, 'dist'));

// What CommonJS takes for granted, and bundled packages ask for.
const commonJs = [
  "import { createRequire as requireOf } from 'node:module'",
  'const require = requireOf(import.meta.url)',
  'const __dirname = import.meta.dirname',
  'const __filename = import.meta.filename',
].join(';');

rmSync(outdir, { recursive: true, force: true });
await build({
  absWorkingDir: checkout,
  entryPoints: { main: 'src/cli/main.ts' },
  outdir: join(outdir, 'lib'),
  outExtension: { '.js': '.mjs' },
  chunkNames: 'part-[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node26',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  // Packages with native parts stay as they are: koffi's are needed, ssh2 does without its own.
  external: ['koffi', 'cpu-features', '*.node'],
  banner: { js: `${commonJs};` },
  logLevel: 'warning',
});

const { name, version, license } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
writeFileSync(
  join(outdir, 'package.json'),
  `${JSON.stringify({ name, version, license, type: 'module' })}\n`,
);
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
