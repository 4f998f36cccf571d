// `node packaging/package.mjs [--fast] [--version VERSION] [--to FOLDER] [deb] [rpm]` builds the packages of both
// kinds, or one, from the same tree; into build/, or that folder. --fast compresses little, for tests.
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildDeb } from './deb.mjs';
import { buildRpm } from './rpm.mjs';
import { refuse } from './run.mjs';
import { glibcOf } from './runtime.mjs';
import { layOut } from './stage.mjs';

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { fast: { type: 'boolean' }, version: { type: 'string' }, to: { type: 'string' } },
});
const builders = { deb: buildDeb, rpm: buildRpm };
const kinds = positionals.length === 0 ? Object.keys(builders) : positionals;
for (const kind of kinds) if (!(kind in builders)) refuse(`expected deb or rpm, found ${kind}`);

const about = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
const version = values.version ?? about.version;
if (!/^\d+(\.\d+)*(~[a-z0-9.]+)?$/.test(version))
  refuse(`expected a version such as 1.2.3, found ${version}`);

const to = resolve(values.to ?? join(checkout, 'build'));
const stage = join(to, 'stage');
const seconds = layOut({ stage, program: join(to, 'program'), version });
const home = join(stage, 'usr/lib/bm-confsync');
const order = {
  stage,
  version,
  seconds,
  glibc: glibcOf([
    join(home, 'node'),
    join(home, 'libatomic.so.1'),
    join(home, `node_modules/@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`),
  ]),
  to,
  fast: values.fast === true,
};
for (const kind of kinds) process.stdout.write(`${builders[kind](order)}\n`);
