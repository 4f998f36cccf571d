import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { mainFile } from '../rig/program.ts';
import type { Ran } from '../world/pair.ts';
import { temporaryFolder } from '../world/tree.ts';

let folder: string;
before(() => {
  folder = temporaryFolder('local');
});
after(() => rmSync(folder, { recursive: true, force: true }));

function bm(...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [mainFile, ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
    );
  });
}

/** Runs with an empty /var/lib of its own, since a fresh configuration keeps its state there. */
function bmApart(after: string, ...args: string[]): string {
  const script = `mount -t tmpfs tmpfs /var/lib && "$0" "$@" && ${after}`;
  return execFileSync('unshare', ['-m', 'sh', '-c', script, process.execPath, mainFile, ...args], {
    encoding: 'utf8',
  });
}

function makeConfig(name: string, lines: string): string {
  const home = join(folder, name);
  mkdirSync(home, { recursive: true });
  const file = join(home, 'config.yml');
  const own = `root: ${home}/root\nstate: ${home}/state\nruntime: ${home}/run\n`;
  writeFileSync(file, `${own}${lines}`, { mode: 0o600 });
  return file;
}

function mode(path: string): string {
  return (lstatSync(path).mode & 0o7777).toString(8);
}

describe('what protects the pair', () => {
  let file: string;
  const home = (): string => join(folder, 'closed');
  before(async () => {
    const peer = 'peers:\n- name: mail2\n  host: 127.0.0.1\n  port: 9\n  hostKey: ssh-ed25519 AAAA\n';
    file = makeConfig('closed', `node: mail1\n${peer}  identityFile: ${join(home(), 'key')}\n`);
    const made = await bm('init', '--node', 'mail1', '--role', 'active', '--config', file);
    assert.equal(made.code, 0, made.stderr);
  });
  const cases: [string, () => string, number, string, RegExp][] = [
    [
      'configuration',
      () => file,
      0o640,
      '0600',
      /the configuration \S+ with mode 0600, found 0640: others could read it/,
    ],
    [
      'configuration folder',
      home,
      0o775,
      '0700',
      /the configuration folder .*found 0775: others could change it/,
    ],
    [
      'state folder',
      () => join(home(), 'state'),
      0o750,
      '0700',
      /the state folder .*found 0750: others could read it/,
    ],
    [
      'private key',
      () => join(home(), 'key'),
      0o604,
      '0600',
      /our private key .*found 0604: others could read it/,
    ],
  ];
  for (const [what, path, loose, closed, message] of cases) {
    it(`is refused when others may use it: the ${what}`, async () => {
      chmodSync(path(), loose);
      const refused = await bm('verify', '--config', file);
      chmodSync(path(), Number.parseInt(closed, 8));
      const passed = await bm('verify', '--config', file);
      assert.equal(refused.code, 2, refused.stderr);
      assert.match(refused.stderr, message);
      assert.ok(refused.stderr.includes(`hint:  chmod ${closed} ${path()}`), refused.stderr);
      assert.equal(passed.code, 3, passed.stderr);
    });
  }

  it('is refused when it is somebody else’s', async () => {
    chownSync(file, 65_534, 65_534);
    const refused = await bm('verify', '--config', file);
    chownSync(file, 0, 0);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /expected the configuration .* to belong to user 0, found user 65534/);
  });
});

describe('init', () => {
  it('writes a configuration that loads, a key pair and a seat, for root alone', () => {
    const file = join(folder, 'fresh', 'deep', 'config.yml');
    const show = "stat -c '%a %n' /var/lib/bm-confsync /var/lib/bm-confsync/state.db";
    const out = bmApart(show, 'init', '--node', 'mail1', '--role', 'active', '--config', file);
    assert.match(out, /^700 \/var\/lib\/bm-confsync\n600 \/var\/lib\/bm-confsync\/state\.db$/m);
    assert.match(out, /^made {5}the seat: active, epoch 1/m);
    const config = loadConfig(file);
    assert.equal(config.node, 'mail1');
    assert.deepEqual(
      [config.root, config.state, config.watchlists],
      ['/', '/var/lib/bm-confsync', ['bluemind']],
    );
    const home = join(folder, 'fresh', 'deep');
    assert.deepEqual([home, file, join(home, 'id_ed25519')].map(mode), ['700', '600', '600']);
    const publicKey = readFileSync(join(home, 'id_ed25519.pub'), 'utf8').trim();
    assert.match(publicKey, /^ssh-ed25519 \S+ bm-confsync@mail1$/);
    assert.ok(out.includes(`restrict,command="bm-confsync receive" ${publicKey}\n`), out);
    const derived = execFileSync('ssh-keygen', ['-y', '-f', join(home, 'id_ed25519')], { encoding: 'utf8' });
    assert.equal(derived.split(' ')[1], publicKey.split(' ')[1]);
  });

  it('keeps everything when it runs again, and says so', async () => {
    const file = makeConfig('again', 'node: mail1\n# a comment of mine\n');
    const first = await bm('init', '--node', 'mail1', '--role', 'passive', '--config', file);
    assert.equal(first.code, 0, first.stderr);
    assert.equal(mode(join(folder, 'again', 'state')), '700');
    const key = join(folder, 'again', 'id_ed25519');
    const before = [file, key, `${key}.pub`].map((path) => readFileSync(path, 'utf8'));
    const second = await bm('init', '--node', 'mail1', '--role', 'active', '--config', file);
    assert.equal(second.code, 0, second.stderr);
    assert.deepEqual(
      [file, key, `${key}.pub`].map((path) => readFileSync(path, 'utf8')),
      before,
    );
    assert.match(
      second.stdout,
      /^kept {5}the seat: passive, epoch 0; --role active is for a node without a seat$/m,
    );
    assert.ok(!/^(made|wrote)/m.test(second.stdout), second.stdout);
  });

  it('makes only what is missing', async () => {
    const file = makeConfig('partly', 'node: mail1\n');
    const home = join(folder, 'partly');
    await bm('init', '--node', 'mail1', '--role', 'active', '--config', file);
    const state = statSync(join(home, 'state', 'state.db')).ino;
    rmSync(join(home, 'id_ed25519'));
    rmSync(join(home, 'id_ed25519.pub'));
    const ran = await bm('init', '--node', 'mail1', '--role', 'active', '--config', file);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /^made {5}\S+id_ed25519 and/m);
    assert.match(ran.stdout, /^kept {5}the seat: active, epoch 1$/m);
    assert.equal(statSync(join(home, 'state', 'state.db')).ino, state);
    rmSync(join(home, 'id_ed25519.pub'));
    const half = await bm('init', '--node', 'mail1', '--role', 'active', '--config', file);
    assert.match(half.stdout, /^missing {2}\S+id_ed25519\.pub: make it with ssh-keygen -y -f/m);
  });

  it('without options asks nobody where there is no terminal', async () => {
    const file = join(folder, 'unasked', 'config.yml');
    const ran = await bm('init', '--node', 'mail1', '--config', file);
    assert.equal(ran.code, 2);
    assert.match(
      ran.stderr,
      /expected --node and --role, or a terminal to ask on, found neither\nhint: {2}.*init --node/,
    );
    assert.ok(!existsSync(file));
  });

  it('does not take over a configuration of another node', async () => {
    const file = makeConfig('other', 'node: mail2\n');
    const ran = await bm('init', '--node', 'mail1', '--role', 'active', '--config', file);
    assert.equal(ran.code, 2);
    assert.match(ran.stderr, /expected node: mail1 in .*, found mail2/);
    assert.ok(!existsSync(join(folder, 'other', 'state')));
  });

  it('refuses names that are none, before it writes anything', async () => {
    for (const name of ['', 'a b', '-x', '../x', 'é', 'a'.repeat(64)]) {
      const file = join(folder, 'bad-name', 'config.yml');
      const ran = await bm('init', `--node=${name}`, '--role', 'active', '--config', file);
      assert.equal(ran.code, 2, name);
      assert.match(ran.stderr, /expected a node name/);
      assert.ok(!existsSync(join(folder, 'bad-name')), name);
    }
    const role = await bm('init', '--node', 'a', '--role', 'master');
    assert.equal(role.code, 2);
  });
});

describe('watchlist', () => {
  let config: string;
  let list: string;
  before(() => {
    list = join(folder, 'rules.yml');
    writeFileSync(list, 'name: mine\ninclude:\n  - /etc/**\nexclude:\n  - /etc/hostname\n  - /etc/ssh\n');
    config = makeConfig('watchlist', `node: mail1\nwatchlists: [${list}]\n`);
  });

  it('list shows every rule with file and line', async () => {
    const ran = await bm('watchlist', 'list', '--config', config);
    assert.equal(ran.code, 0, ran.stderr);
    const rows = ran.stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ +/));
    assert.deepEqual(rows, [
      ['include', '/etc/**', `${list}:3`],
      ['exclude', '/etc/hostname', `${list}:5`],
      ['exclude', '/etc/ssh', `${list}:6`],
    ]);
    const json = await bm('watchlist', 'list', '--json', '--config', config);
    assert.deepEqual(JSON.parse(json.stdout)[1], {
      watchlist: 'mine',
      file: list,
      line: 5,
      pattern: '/etc/hostname',
      effect: 'exclude',
    });
  });

  it('test says which rule decides, and its line', async () => {
    const cases: [string, number, string][] = [
      ['/etc/aliases', 0, `/etc/aliases: replicated, by include /etc/** (${list}:3)`],
      ['/etc/hostname', 1, `/etc/hostname: not replicated, by exclude /etc/hostname (${list}:5)`],
      [
        '/etc/ssh/a/b',
        1,
        `/etc/ssh/a/b: not replicated: /etc/ssh above it is out, by exclude /etc/ssh (${list}:6)`,
      ],
      ['/usr/bin', 1, '/usr/bin: not replicated: no include pattern matches it'],
    ];
    for (const [path, code, text] of cases) {
      const ran = await bm('watchlist', 'test', path, '--config', config);
      assert.deepEqual([ran.code, ran.stdout], [code, `${text}\n`]);
    }
  });

  it('test refuses a path that is not absolute', async () => {
    const ran = await bm('watchlist', 'test', 'etc/../x', '--config', config);
    assert.equal(ran.code, 2);
    assert.match(ran.stderr, /expected an absolute path/);
  });
});

describe('the command line', () => {
  const commands = [
    'init',
    'run',
    'receive',
    'status',
    'resume',
    'verify',
    'resync',
    'flush',
    'explain',
    'history',
    'restore',
    'conflicts list',
    'conflicts show',
    'conflicts resolve',
    'watchlist list',
    'watchlist test',
    'demo',
  ];

  it('lists every command in its help', async () => {
    const ran = await bm('--help');
    assert.equal(ran.code, 0);
    for (const command of commands)
      assert.match(ran.stdout, new RegExp(`^ {2}${command.split(' ')[0]} `, 'm'));
  });

  for (const command of commands) {
    it(`${command} --help shows examples and exit codes`, async () => {
      const ran = await bm(...command.split(' '), '--help');
      assert.equal(ran.code, 0, ran.stderr);
      assert.match(ran.stdout, new RegExp(`\nExamples:\n  \\$ bm-confsync ${command}`));
      assert.match(ran.stdout, /\nExit codes:\n {2}0 {2}\S/);
    });
  }

  it('exits 2 on an unknown command, option or a missing argument', async () => {
    for (const args of [
      ['frobnicate'],
      ['verify', '--frob'],
      ['explain'],
      ['init'],
      ['watchlist', 'frob'],
      ['conflicts', 'frob'],
      ['conflicts', 'resolve', '0123456789'],
      ['restore', '/etc/a'],
      [],
    ]) {
      const ran = await bm(...args);
      assert.equal(ran.code, 2, args.join(' '));
      assert.notEqual(ran.stderr, '', args.join(' '));
    }
    const duration = await bm('flush', '--timeout', 'soon');
    assert.equal(duration.code, 2);
    assert.match(duration.stderr, /expected a duration such as 500ms, 30s or 5m, found "soon"/);
  });

  it('prints its version', async () => {
    const ran = await bm('--version');
    assert.match(ran.stdout, /^\d+\.\d+\.\d+\n$/);
  });
});

describe('a broken configuration', () => {
  const commands = [
    ['verify'],
    ['resync', '--dry-run'],
    ['status'],
    ['flush'],
    ['explain', '/etc/a'],
    ['history', '/etc/a'],
    ['restore', '/etc/a', '--version', '0123456789'],
    ['conflicts'],
    ['conflicts', 'show', '0123456789'],
    ['watchlist', 'list'],
    ['run'],
  ];

  it('is named with file, line, key, what was expected and what was found; exit 2', async () => {
    const file = makeConfig('broken', 'node: mail1\npears: []\nconflict: maybe\n');
    for (const command of commands) {
      const ran = await bm(...command, '--config', file);
      assert.equal(ran.code, 2, command.join(' '));
      assert.ok(ran.stderr.includes(`${file}:5`), ran.stderr);
      assert.match(ran.stderr, /unknown key "pears"/);
      assert.ok(ran.stderr.includes(`${file}:6`), ran.stderr);
      assert.match(ran.stderr, /conflict.*expected one of hold, active-wins, newest-wins, found "maybe"/);
      assert.match(ran.stderr, /^hint: {2}\S/m);
    }
    assert.ok(!existsSync(join(folder, 'broken', 'state')));
  });

  it('that is not there says how to write one', async () => {
    const ran = await bm('status', '--config', join(folder, 'nowhere.yml'));
    assert.equal(ran.code, 2);
    assert.match(ran.stderr, /nowhere\.yml.*no such file/);
    assert.match(ran.stderr, /^hint: .*bm-confsync init/m);
  });

  it('of a watchlist is named alike', async () => {
    const list = join(folder, 'bad-rules.yml');
    writeFileSync(list, 'name: mine\ninclude:\n  - etc/**\n');
    const ran = await bm(
      'watchlist',
      'list',
      '--config',
      makeConfig('bad-list', `node: a\nwatchlists: [${list}]\n`),
    );
    assert.equal(ran.code, 2);
    assert.ok(ran.stderr.includes(`${list}:3`), ran.stderr);
  });
});
