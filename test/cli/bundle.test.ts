import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkout } from '../rig/program.ts';
import { eventually } from '../world/eventually.ts';

const source = join(checkout, 'src/cli/main.ts');

/** Writes what is loaded into a file: the URL of each module, and at the end the parts of Node that were not there before. */
const recorder = `const fs = process.getBuiltinModule('fs');
const { appendFileSync, watch } = fs;
fs.watch = (...about) => {
  appendFileSync(process.env.LOADED, 'a watch\\n');
  return watch(...about);
};
process.getBuiltinModule('module').registerHooks({ load(url, context, next) {
  appendFileSync(process.env.LOADED, url + '\\n');
  return next(url, context);
} });
const before = new Set(process.moduleLoadList);
process.on('exit', () => {
  const parts = process.moduleLoadList.filter((part) => !before.has(part));
  appendFileSync(process.env.LOADED, parts.map((part) => part + '\\n').join(''));
});`;

describe('the bundle', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bm-confsync-bundle-'));
  const bundle = join(folder, 'somewhere/lib/main.mjs');
  const config = join(folder, 'config.yml');

  function run(
    program: string,
    args: readonly string[],
    env: Record<string, string> = {},
    flags: string[] = [],
  ) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, program, ...args], {
      cwd: folder,
      encoding: 'utf8',
      input: '',
      timeout: 30_000,
      env: { PATH: process.env['PATH'], ...env },
    });
    return { status, stdout, stderr };
  }

  /** What a command loads: files of the bundle, their text, and parts of Node. */
  function loadedBy(args: readonly string[]): { files: string[]; text: string; parts: string[] } {
    const file = join(folder, 'loaded');
    writeFileSync(file, '');
    const { stderr } = run(bundle, args, { LOADED: file }, [
      '--import',
      `data:text/javascript,${encodeURIComponent(recorder)}`,
    ]);
    const loaded = readFileSync(file, 'utf8').trim().split('\n');
    const own = loaded.filter((url) => url.includes('/somewhere/'));
    assert.ok(own.length > 0, stderr);
    return {
      files: own.map((url) => basename(url)),
      text: own.map((url) => readFileSync(fileURLToPath(url), 'utf8')).join(''),
      parts: loaded.flatMap((line) => /^NativeModule (.*)/.exec(line)?.[1] ?? []),
    };
  }

  before(() => {
    const built = spawnSync(
      process.execPath,
      [join(checkout, 'packaging/bundle.mjs'), join(folder, 'somewhere')],
      {
        encoding: 'utf8',
      },
    );
    assert.equal(built.status, 0, built.stderr);
    mkdirSync(join(folder, 'root/etc'), { recursive: true });
    writeFileSync(join(folder, 'root/etc/x'), 'x\n');
    writeFileSync(join(folder, 'list.yml'), 'name: list\ninclude: [/etc/**]\n');
    const [root, state, runtime] = ['root', 'state', 'run'].map((name) => join(folder, name));
    writeFileSync(
      config,
      `node: mail1\nroot: ${root}\nstate: ${state}\nruntime: ${runtime}\nwatchlists: [${join(folder, 'list.yml')}]\npeers: []\n`,
      { mode: 0o600 },
    );
    const made = run(bundle, ['init', '--config', config, '--node', 'mail1', '--role', 'active']);
    assert.equal(made.status, 0, made.stderr);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const at = ['--config', config];
  const commands: readonly (readonly string[])[] = [
    ['--version'],
    ['-V'],
    ['--version', 'x'],
    ['--help'],
    [],
    ['frobnicate'],
    ['status', '--help'],
    ['status', ...at],
    ['status', '--json', ...at],
    ['status', '--nagios', ...at],
    ['notice', ...at],
    ['status', '--frob'],
    ['status', '--config'],
    ['status', '--config', '/nowhere/config.yml'],
    ['ha', 'status', ...at],
    ['ready', ...at],
    ['watchlist', 'list', ...at],
    ['watchlist', 'test', '/etc/x', ...at],
    ['explain', '/etc/x', ...at],
    ['explain', 'etc/x', ...at],
    ['history', '/etc/x', ...at],
    ['conflicts', ...at],
    ['verify', ...at],
    ['verify', '--nagios', ...at],
    ['resync', '--dry-run', ...at],
    ['resume', ...at],
    ['receive', ...at],
  ];
  for (const args of commands) {
    it(`answers as the sources do: ${args.filter((word) => word !== config).join(' ') || 'no command'}`, () => {
      const [bundled, plain] = [run(bundle, args), run(source, args)];
      assert.deepEqual(bundled, plain);
      assert.ok(plain.stdout + plain.stderr !== '' || args[0] === 'receive');
    });
  }

  it('comes with its watchlists', () => {
    const shipped = run(bundle, ['watchlist', 'list', '--config', withShipped()]);
    assert.equal(shipped.status, 0, shipped.stderr);
    assert.match(shipped.stdout, /bluemind\.yml:\d+/);
  });

  function withShipped(): string {
    const file = join(folder, 'shipped.yml');
    writeFileSync(file, readFileSync(config, 'utf8').replace(/^watchlists:.*$/m, 'watchlists: [bluemind]'), {
      mode: 0o600,
    });
    return file;
  }

  const heavy = { commander: 'CommanderError', yaml: 'LineCounter', zod: 'ZodError', winston: 'winston' };

  function heavyIn(args: readonly string[]): string[] {
    const { text, parts } = loadedBy(args);
    const found = Object.entries(heavy).flatMap(([name, mark]) => (text.includes(mark) ? [name] : []));
    return parts.includes('sqlite') ? [...found, 'sqlite'] : found;
  }

  /** One file, and no part of Node that opens no file and no socket for it. */
  function assertLight(args: readonly string[]): void {
    const { files, parts } = loadedBy(args);
    assert.deepEqual(files, ['main.mjs']);
    const needless = [
      'crypto',
      'child_process',
      'internal/fs/promises',
      'internal/readline/interface',
      'sqlite',
    ];
    assert.deepEqual(
      needless.filter((part) => parts.includes(part)),
      [],
    );
  }

  it('loads one file for --version', () => assertLight(['--version']));

  it('loads no language of zod, which has dozens', () => {
    const { text } = loadedBy(['watchlist', 'list', ...at]);
    assert.ok(text.includes('ZodError'));
    assert.ok(!text.includes('Eingabe'), 'German');
  });

  it('comes with the licences of what it is made of', () => {
    const licences = readFileSync(join(folder, 'somewhere/LICENSES'), 'utf8');
    const { dependencies } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    // The runtime itself comes with its own.
    const missing = Object.entries(dependencies).filter(
      ([name, version]) => name !== 'node' && !licences.includes(`\n${name} ${version}`),
    );
    assert.deepEqual(missing, []);
    assert.match(licences, /Permission is hereby granted/);
  });

  /** With somebody at the control socket who gives this answer to whatever is asked. */
  async function whileAnswered(value: unknown, check: () => void): Promise<void> {
    const line = JSON.stringify({ kind: 'value', value });
    mkdirSync(join(folder, 'run'), { mode: 0o700, recursive: true });
    const daemon = spawn(process.execPath, [
      '--eval',
      `require('node:net').createServer((socket) => socket.end(${JSON.stringify(`${line}\n`)})).listen(process.argv[1])`,
      join(folder, 'run/control.sock'),
    ]);
    try {
      await eventually('it listens', () => existsSync(join(folder, 'run/control.sock')));
      check();
    } finally {
      const ended = once(daemon, 'exit');
      daemon.kill();
      await ended;
      rmSync(join(folder, 'run/control.sock'), { force: true });
    }
  }

  it('loads one file for a verify that the daemon answers', async () => {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(config, { bigint: true });
    const answer = {
      node: 'mail1',
      configuration: [dev, ino, size, mtimeNs, ctimeNs].join(':'),
      peers: [{ name: 'mail2', result: { checked: 7, drift: [], problems: [] } }],
    };
    await whileAnswered(answer, () => {
      const { status, stdout, stderr } = run(bundle, ['verify', ...at]);
      assert.equal(status, 0, stderr);
      assert.match(stdout, /^mail2: in sync, 7 paths checked in /);
      for (const flags of [[], ['--json'], ['--full', '--nagios']]) assertLight(['verify', ...flags, ...at]);
    });
  });

  it('loads one file for a resync that the daemon does, and all where it is not for the daemon alone', async () => {
    const done = { pushed: 3, deleted: 1, alreadyThere: 7, conflicts: 0, refused: [] };
    await whileAnswered({ peers: [{ name: 'mail2', ...done }] }, () => {
      const { status, stdout, stderr } = run(bundle, ['resync', '--yes', ...at]);
      assert.equal(status, 0, stderr);
      assert.equal(stdout, '3 paths pushed, 1 deleted, 7 already there, 0 conflicts, 0 refused\n');
      for (const flags of [['--yes'], ['--json', '--yes']]) assertLight(['resync', ...flags, ...at]);
    });
    await whileAnswered({ peers: [] }, () => {
      // This configuration has no peer, which is for the whole program to say.
      const { status, stderr } = run(bundle, ['resync', '--yes', ...at]);
      assert.equal(status, 2);
      assert.match(stderr, /expected at least one peer/);
    });
  });

  /** Starts the daemon, waits until it watches and everything is loaded, ends it; what it loaded before it began to watch, and in all. */
  async function startOnce(configFile: string): Promise<{ before: string; after: string }> {
    const file = join(folder, 'loaded');
    writeFileSync(file, '');
    const hooks = `data:text/javascript,${encodeURIComponent(recorder)}`;
    const daemon = spawn(process.execPath, ['--import', hooks, bundle, 'run', '--config', configFile], {
      env: { PATH: process.env['PATH'], LOADED: file },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    daemon.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      log += chunk;
    });
    const exit = once(daemon, 'exit');
    try {
      await eventually('it watches', () => log.includes(' watching: '), { detail: () => log });
      await eventually('it answers', () => run(bundle, ['status', '--config', configFile]).status === 0);
    } finally {
      daemon.kill();
      await exit;
    }
    const text = (urls: string): string => {
      const own = urls.split('\n').filter((url) => url.includes('/somewhere/') && url.endsWith('.mjs'));
      return own.map((url) => readFileSync(fileURLToPath(url), 'utf8')).join('');
    };
    const loaded = readFileSync(file, 'utf8');
    // A directory that comes later is watched too, so the first one counts.
    return { before: text(loaded.slice(0, loaded.indexOf('a watch\n'))), after: text(loaded) };
  }

  it('begins to watch before it loads what sends and receives, and the parser of command lines never', async () => {
    const marks = { commander: 'CommanderError', ssh2: 'ssh-userauth', 'fast-glob': 'baseNameMatch' };
    const found = (text: string): string[] =>
      Object.entries(marks).flatMap(([name, mark]) => (text.includes(mark) ? [name] : []));
    const { before, after } = await startOnce(config);
    assert.ok(before.includes('addDir'), 'chokidar');
    assert.deepEqual(found(before), []);
    assert.deepEqual(found(after), ['ssh2', 'fast-glob']);
  });

  it('is kept compiled in the state folder, where nobody else can enter it', async () => {
    const compiled = join(folder, 'state/compiled');
    const files = (): string[] =>
      readdirSync(compiled, { recursive: true, withFileTypes: true }).flatMap((entry) =>
        entry.isFile() ? [join(entry.parentPath, entry.name)] : [],
      );
    rmSync(compiled, { recursive: true, force: true });
    await startOnce(config);
    const kept = files();
    assert.ok(kept.length >= 2, 'the service and what it loads later');
    const times = kept.map((file) => statSync(file).mtimeMs);
    mkdirSync(join(compiled, '0.0.0-older/v1'), { recursive: true });
    writeFileSync(join(compiled, '0.0.0-older/v1/part'), 'x');
    await startOnce(config);
    await eventually('only those are kept', () => !existsSync(join(compiled, '0.0.0-older')));
    assert.deepEqual(files(), kept);
    assert.deepEqual(
      kept.map((file) => statSync(file).mtimeMs),
      times,
      'taken as it is',
    );
  });

  it('loads what reads the state for status only when no daemon answers', async () => {
    assert.deepEqual(heavyIn(['status', ...at]), ['commander', 'yaml', 'zod', 'sqlite']);
    const daemon = spawn(process.execPath, [bundle, 'run', ...at], { stdio: 'ignore' });
    try {
      await eventually('the daemon listens', () => existsSync(join(folder, 'run/control.sock')));
      await eventually('it answers', () => run(bundle, ['status', ...at]).stdout.includes('watching'));
      assertLight(['status', ...at]);
      assertLight(['status', '--json', ...at]);
      assertLight(['status', '--nagios', ...at]);
      assertLight(['notice', ...at]);
    } finally {
      const ended = once(daemon, 'exit');
      daemon.kill();
      await ended;
    }
  });
});
