import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, chownSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { checkout, mainFile } from '../rig/program.ts';
import { eventually } from '../world/eventually.ts';
import { Pair, type Running } from '../world/pair.ts';
import { Terminal } from '../world/terminal.ts';
import { write } from '../world/tree.ts';

type Prints = Readonly<Record<string, string>>;

async function printsOn(pair: Pair, node: 'active' | 'passive'): Promise<Prints> {
  const found = await pair.json(node, ['fingerprint']);
  const scopes = found['scopes'] as { name: string; fingerprint: string }[];
  return Object.fromEntries(scopes.map(({ name, fingerprint }) => [name, fingerprint]));
}

/** The scopes in which both differ. */
function differing(a: Prints, b: Prints): string[] {
  return Object.keys({ ...a, ...b }).filter((name) => a[name] !== b[name]);
}

/** Times, sizes and all that is not the same twice, as the document has it. */
function masked(screen: string): string {
  return screen
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, '2026-03-01 14:05:09')
    .replace(/\b\d\d:\d\d:\d\d\b/g, '14:05:09')
    .replace(/\b\d+(\.\d)? (ms|s|min)\b( \d+ s)?/g, 'TIME')
    .replace(/\b[0-9a-f]{10}\b/g, '1a2b3c4d5e')
    .replace(/^lag: .*$/m, 'lag:  SPARKLINE')
    .replace(/^rate: .*$/m, 'rate: NUMBERS')
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
    .trimEnd();
}

/** Compares with a document; `BM_CONFSYNC_WRITE_SCREENS=1` writes it anew, to be looked at. */
function assertScreen(name: string, screen: string): void {
  const file = join(checkout, 'docs/screens', `${name}.txt`);
  const seen = `${masked(screen)}\n`;
  if (process.env['BM_CONFSYNC_WRITE_SCREENS'] === '1') writeFileSync(file, seen);
  assert.equal(seen, readFileSync(file, 'utf8'));
}

describe('a pair that is looked at', () => {
  let pair: Pair;
  let daemon: Running;
  before(async () => {
    pair = await Pair.open({
      exclude: ['/etc/hostname'],
      watchlist: { scopes: [{ name: 'motd', match: ['/etc/motd'] }] },
    });
    write(pair.root('active'), {
      'etc/hostname': 'mail1\n',
      'etc/motd': 'hello\n',
      'etc/bm/bm.ini': 'host=mail\n',
      'etc/nginx/nginx.conf': 'worker_processes 1;\n',
      'etc/postfix/main.cf': 'myhostname = mail\n',
      'etc/ssl/certs/bm_cert.pem': 'certificate\n',
    });
    write(pair.root('passive'), { 'etc/hostname': 'mail2\n' });
    daemon = await pair.startActive();
    assert.equal((await pair.flush()).code, 0);
  });
  after(() => pair[Symbol.asyncDispose]());

  const watchWords = (): string =>
    `'${process.execPath}' '${mainFile}' status --watch --config '${pair.config('active')}'`;

  it('status --watch draws, adapts, outlives the daemon, and leaves the terminal as it was', async () => {
    using terminal = new Terminal(join(pair.folder, 'tmux'));
    await terminal.shows(/^ready:/m);
    terminal.type(`clear; ${watchWords()}; echo ended $?`, 'Enter');
    await terminal.shows(/^safe to fail over: yes$/m);
    assert.match(terminal.modes(), /^1 0 0/);

    write(pair.root('active'), { 'etc/postfix/main.cf': 'myhostname = live\n' });
    await terminal.shows(/pushed: \/etc\/postfix\/main\.cf \(file\) to mail2: applied/);
    terminal.resize(50, 14);
    await eventually('no line is longer than the window', () => {
      const lines = terminal.screen().trimEnd().split('\n');
      return lines.length <= 14 && lines.every((line) => line.length <= 50) && /…$/m.test(lines.join('\n'));
    });
    terminal.resize(100, 30);
    await terminal.shows(/^watching: 10 paths in \d+ directories \(test\)$/m);

    await daemon.stop();
    await terminal.shows(/^daemon not answering since \d\d:\d\d:\d\d .*; what follows was true then$/m);
    daemon = await pair.startActive();
    await eventually('it goes on', () => !terminal.screen().includes('not answering'));
    await terminal.shows(/^safe to fail over: yes$/m);
    terminal.resize(80, 24);
    // Until the first reconcile after the restart is told, the last events are not the same each time.
    const picture = await terminal.shows(/reconciled: with mail2/);
    assertScreen('status-watch', picture.replace(/last events:.*$/s, 'last events:\n  …\n'));

    terminal.type('q');
    await terminal.shows(/^ended 0$/m);
    assert.match(terminal.modes(), /^0 1 1/);
    assert.doesNotMatch(terminal.screen(), /safe to fail over/);
    const ends: [string, () => void][] = [
      ['Ctrl-C', () => terminal.type('C-c')],
      ['SIGTERM', () => process.kill(terminal.running(), 'SIGTERM')],
      ['SIGHUP', () => process.kill(terminal.running(), 'SIGHUP')],
    ];
    for (const [name, end] of ends) {
      terminal.type(`clear; ${watchWords()}; echo after ${name} $?`, 'Enter');
      await terminal.shows(/^safe to fail over/m);
      end();
      await terminal.shows(new RegExp(`^after ${name} 0$`, 'm'));
      assert.match(terminal.modes(), /^0 1 1/, name);
    }
    terminal.type('stty -a | tr " " "\\n" | grep -x -e icanon -e echo -e isig | xargs echo modes', 'Enter');
    await terminal.shows(/^modes isig icanon echo$/m);

    // A terminal that is closed takes the program with it, which has nothing to complain about.
    const complaints = join(pair.folder, 'complaints');
    terminal.type(`clear; ${watchWords()} 2>'${complaints}'`, 'Enter');
    await terminal.shows(/^safe to fail over/m);
    const left = terminal.running();
    terminal.close();
    await eventually('it ends with its terminal', () => !existsSync(`/proc/${left}`));
    assert.equal(readFileSync(complaints, 'utf8'), '');
  });

  let agreed: Prints = {};
  let broken: Prints = {};
  it('both nodes tell the same fingerprints, and what is excluded does not count', async () => {
    [agreed, broken] = await Promise.all([printsOn(pair, 'active'), printsOn(pair, 'passive')]);
    assert.deepEqual(Object.keys(agreed), ['all', 'bm', 'nginx', 'postfix', 'certs', 'motd']);
    assert.deepEqual(broken, agreed);
    assert.equal(new Set(Object.values(agreed)).size, 6);
  });

  const breaks: [string, string, (path: string) => void, () => string][] = [
    ['a byte', 'bm', (path) => writeFileSync(path, 'host=mait\n'), () => 'etc/bm/bm.ini'],
    ['a mode', 'nginx', (path) => chmodSync(path, 0o600), () => 'etc/nginx/nginx.conf'],
    ['an owner', 'postfix', (path) => chownSync(path, 1, 0), () => 'etc/postfix/main.cf'],
    ['a group', 'certs', (path) => chownSync(path, 0, 1), () => 'etc/ssl/certs/bm_cert.pem'],
    [
      'a byte in a scope of the watchlist',
      'motd',
      (path) => writeFileSync(path, 'hallo\n'),
      () => 'etc/motd',
    ],
  ];
  for (const [what, scope, change, path] of breaks) {
    it(`${what} that differs on the passive changes ${scope} and all, and no other scope`, async () => {
      const earlier = broken;
      change(pair.at('passive', path()));
      broken = await printsOn(pair, 'passive');
      assert.deepEqual(differing(earlier, broken), ['all', scope]);
      assert.notEqual(broken[scope], agreed[scope]);
    });
  }

  it('one scope is told alone, as people read it; an unknown one names those that there are', async () => {
    const ran = await pair.run('passive', ['fingerprint', 'nginx']);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /^mail2, passive\n {2}nginx {2}([0-9A-Z]{4}-){3}[0-9A-Z]{4} {2}2 paths\n$/);
    assertScreen('fingerprint', ran.stdout.replace(/([0-9A-Z]{4}-){3}[0-9A-Z]{4}/, '7K2M-X0QD-93TA-HB5W'));
    const unknown = await pair.run('passive', ['fingerprint', 'ngnix']);
    assert.equal(unknown.code, 2);
    assert.match(
      unknown.stderr,
      /expected a scope, one of all, bm, nginx, postfix, certs, motd; found "ngnix"/,
    );
  });

  it('status tells in order: safe or not, what is not in sync, what is held and since when', async () => {
    const ran = await pair.run('active', ['status']);
    assert.ok(ran.stdout.split('\n').length <= 24, ran.stdout);
    const order = ['safe to fail over: ', 'not in sync: ', 'held:', 'peer mail2: '];
    const places = order.map((text) => ran.stdout.indexOf(text));
    assert.ok(!places.includes(-1), ran.stdout);
    assert.deepEqual(
      places,
      places.toSorted((a, b) => a - b),
    );
    assertScreen('status', ran.stdout);
  });

  it('--watch into a pipe prints plain blocks, as JSON one object a line', async () => {
    const read = (...more: string[]): Promise<string> =>
      new Promise((resolve) => {
        const words = ['-s', 'INT', '3', process.execPath, mainFile, 'status', '--watch', ...more];
        execFile('timeout', [...words, '--config', pair.config('active')], (_error, stdout) =>
          resolve(stdout),
        );
      });
    const [plain, json] = await Promise.all([read(), read('--json')]);
    const blocks = plain.trimEnd().split('\n\n');
    assert.ok(blocks.length >= 2, `${blocks.length} blocks`);
    for (const block of blocks) assert.match(block, /^bm-confsync status --watch .*\nmail1: active/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
    assert.doesNotMatch(blocks.join('\n'), /[\u0000-\u0009\u000b-\u001f]/);
    const [first = ''] = json.split('\n');
    const { told } = JSON.parse(first) as { told: { status: { node: string }; seconds: unknown[] } };
    assert.equal(told.status.node, 'mail1');
    assert.equal(told.seconds.length, 60);
  });
});
