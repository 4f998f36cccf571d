import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { configurationFields } from '../../packaging/fields.ts';
import { loadConfig } from '../../src/config/load.ts';
import { exitCodes } from '../../src/core/failure.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { ConflictStore } from '../../src/state/conflicts.ts';
import { openDatabase } from '../../src/state/database.ts';
import { VersionStore } from '../../src/state/versions.ts';
import { blocksOf, commandLinesOf, documentsOf } from '../rig/documents.ts';
import { checkout } from '../rig/program.ts';
import { eventually } from '../world/eventually.ts';
import { Pair } from '../world/pair.ts';
import { temporaryFolder, write } from '../world/tree.ts';
import { notYet } from './not-yet.ts';

const readme = readFileSync(join(checkout, 'README.md'), 'utf8');

const blocks = (language: string): string[] => blocksOf(readme, language);

/** Of the README and of all other documents, each once. */
const commandLines = [...documentsOf(checkout).values()]
  .flatMap(commandLinesOf)
  .filter((words) => !notYet.has(words.join(' ')))
  // It goes on until somebody ends it: for a terminal.
  .filter((words) => !words.includes('--watch'))
  // Between two machines: pair.test.ts runs them.
  .filter(([command = '']) => !['pair', 'unpair'].includes(command));

describe('README.md', () => {
  it('leads with the two commands, which package.json has', () => {
    const [first = ''] = blocks('sh');
    const scripts = first
      .split('\n')
      .filter(Boolean)
      .map((line) => line.replace(/ +#.*$/, ''));
    assert.deepEqual(scripts, ['npm run demo', 'npm test']);
    const { scripts: known } = packageJson();
    for (const script of readme.matchAll(/npm run ([a-z]+)/g)) assert.ok(known[script[1] ?? ''], script[0]);
  });

  it('names every dependency in a table', () => {
    const { dependencies, devDependencies } = packageJson();
    for (const name of Object.keys({ ...dependencies, ...devDependencies }))
      assert.match(readme, new RegExp(`^\\|[^|]*\`${name}\`[^|]*\\| .+ \\|$`, 'm'), name);
  });

  it('shows the exit codes that the program has', () => {
    const [, section = ''] = readme.split(/^## Exit codes$/m);
    const [table = ''] = section.split(/^## /m);
    const codes = [...table.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
    assert.deepEqual(codes, Object.values(exitCodes));
  });

  it('has a place for the benchmarks', () => {
    assert.match(readme, /^<!-- bench:start -->\n(?:.*\n)*?<!-- bench:end -->$/m);
  });

  it('shows a wrapper that runs the program', () => {
    const wrapper = /<<'END'\n(.*?)^END$/ms.exec(blocks('sh').join('\n'))?.[1] ?? '';
    const script = wrapper.replaceAll('/opt/bm-confsync', checkout);
    const out = execFileSync('sh', ['-s', '--', '--version'], { input: script, encoding: 'utf8' });
    assert.equal(out, `${packageJson().version}\n`);
  });

  it('links to files that are there', () => {
    for (const [, file = ''] of readme.matchAll(/\b((?:systemd|watchlists)\/[\w-]+\.\w+)/g))
      assert.ok(readFileSync(join(checkout, file)).length > 0, file);
  });
});

describe('the configuration in README.md', () => {
  let folder: string;
  before(() => {
    folder = temporaryFolder('readme');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const load = (text: string) => {
    const file = join(folder, 'config.yml');
    writeFileSync(file, text);
    return loadConfig(file);
  };

  it('loads', () => {
    const [sample = ''] = blocks('yaml');
    const config = load(sample);
    assert.equal(config.node, 'mail1');
    assert.deepEqual(
      config.peers.map(({ name, host, user, port }) => ({ name, host, user, port })),
      [{ name: 'mail2', host: '192.0.2.12', user: 'root', port: 22 }],
    );
  });

  it('is explained key by key in the words of the manual page', () => {
    const rows = configurationFields.map(([key, byDefault, meaning]) => {
      const shown = ['required', 'none', 'as below'].includes(byDefault) ? byDefault : `\`${byDefault}\``;
      return `| \`${key}\` | ${shown} | ${meaning} |`;
    });
    assert.ok(readme.includes(`|---|---|---|\n${rows.join('\n')}\n\n`), rows.join('\n'));
  });
});

/** The id that the documents show where each administrator has one of their own. */
const sampleId = '1a2b3c4d5e';

describe('the command lines in the documents', () => {
  let pair: Pair;
  let edits = 0;
  before(async () => {
    pair = await Pair.open({ include: ['/etc/**'], exclude: ['/etc/hostname'], mutual: true });
    write(pair.root('active'), { 'etc/postfix/main.cf': 'a\n', 'etc/edited.conf': 'a\n' });
    const passive = pair.spawnDaemon('passive');
    await pair.startActive();
    await pair.flush();
    writeFileSync(pair.at('active', 'etc/postfix/main.cf'), 'b\n');
    await pair.flush();
    await eventually('the passive’s daemon watches', () => passive.log().includes('watching'));
  });
  after(() => pair[Symbol.asyncDispose]());

  it('are there', () => assert.ok(commandLines.length > 30, String(commandLines.length)));

  /** A conflict that waits now, and a version of the file that is restored. */
  const idFor = async (command: string): Promise<string> => {
    if (command === 'restore') {
      using database = openDatabase(pair.state('passive'));
      const [kept] = new VersionStore(database).list('/etc/postfix/main.cf' as ReplicaPath);
      return kept?.id ?? '';
    }
    using database = openDatabase(pair.state('active'));
    const conflicts = new ConflictStore(database);
    if (conflicts.count() === 0) {
      edits += 1;
      writeFileSync(pair.at('passive', 'etc/edited.conf'), `edited ${edits}\n`);
      await eventually('there is a conflict', () => conflicts.count() === 1);
    }
    return conflicts.list()[0]?.id ?? '';
  };
  /** What brings the pair back to where the next command finds it. */
  const undo: Readonly<Record<string, readonly string[]>> = {
    demote: ['promote'],
    'ha disable': ['ha', 'enable'],
  };
  const distinct = [...new Map(commandLines.map((words) => [words.join(' '), words])).values()];
  for (const words of distinct) {
    it(`runs: ${words.join(' ')}`, async () => {
      const [command = ''] = words;
      const id = words.includes(sampleId) ? await idFor(command) : sampleId;
      const given = words.map((word) => (word === sampleId ? id : word));
      const onPassive = words.includes('mail2') || command === 'ready';
      const ran = await pair.run(onPassive ? 'passive' : 'active', given);
      const maySay = words.some((word) =>
        ['/etc/hostname', '--dry-run', '--diff', 'ready', 'enable', 'doctor'].includes(word),
      );
      const expected = words.includes('--nagios') ? [0, 1, 2] : maySay ? [0, 1] : [0];
      assert.ok(expected.includes(ran.code), `exit ${ran.code}: ${ran.stdout}${ran.stderr}`);
      assert.equal(ran.stderr.replace(/^.* notice step: .*\n/gm, ''), '');
      const back = undo[command] ?? undo[words.slice(0, 2).join(' ')];
      if (back !== undefined) assert.ok((await pair.run('active', back)).code <= 1);
    });
  }
});

type Package = {
  version: string;
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};

function packageJson(): Package {
  return JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as Package;
}
