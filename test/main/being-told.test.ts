import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readPerfdata } from '../rig/perfdata.ts';
import { mainFile } from '../rig/program.ts';
import { eventually } from '../world/eventually.ts';
import { Pair, type Ran, type Running } from '../world/pair.ts';
import { write } from '../world/tree.ts';

const monitoring = join(import.meta.dirname, '../../monitoring');

/** What a monitor sees: the code, the text and the numbers. */
type Seen = { readonly code: number; readonly text: string; readonly numbers: Record<string, number> };

describe('who is told how the nodes are', () => {
  let pair: Pair;
  let active: Running;
  before(async () => {
    pair = await Pair.open({ mutual: true });
    install(pair);
    write(pair.root('active'), { 'etc/motd': 'hello\n', 'etc/postfix/main.cf': 'a\n' });
    pair.spawnDaemon('passive');
    active = await pair.startActive();
    assert.equal((await pair.flush()).code, 0);
    await eventually(
      'the passive was told that it has all',
      async () => (await monitored('passive')).code === 0,
    );
  });
  after(() => pair[Symbol.asyncDispose]());

  async function monitored(node: 'active' | 'passive'): Promise<Seen> {
    const { code, stdout, stderr } = await pair.run(node, ['status', '--nagios']);
    assert.equal(stderr, '');
    assert.match(stdout, /^BM-CONFSYNC [A-Z]+ - [^|\n]+ \| [^|\n]+\n$/);
    const [read = []] = readPerfdata([stdout]);
    const numbers = Object.fromEntries(read.map(({ label, value }) => [label, value]));
    return { code, text: stdout.split(' | ')[0] ?? '', numbers };
  }

  /** Runs BlueMind's kind of check. */
  function checked(node: 'active' | 'passive', path = pathWithProgram(pair)): Promise<Ran> {
    const words = [join(monitoring, 'bm-check-confsync'), '--config', pair.config(node)];
    return ran('/bin/sh', words, { PATH: path });
  }

  it('the scripts are what a checker of shell scripts has nothing against', () => {
    execFileSync('shellcheck', [join(monitoring, 'bm-check-confsync')], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  });

  it('a check of BlueMind’s kind: silent when all is well', async () => {
    for (const node of ['active', 'passive'] as const)
      assert.deepEqual(await checked(node), { code: 0, stdout: '', stderr: '' });
  });

  it('a check where the program is not installed, or the configuration is not to be read', async () => {
    const missing = await checked('active', '/usr/bin:/bin');
    assert.deepEqual([missing.code, missing.stdout], [1, 'bm-confsync is not installed on this node\n']);
    const words = [join(monitoring, 'bm-check-confsync'), '--config', '/nowhere.yml'];
    const unknown = await ran('/bin/sh', words, { PATH: pathWithProgram(pair) });
    const text = '/nowhere.yml: expected a readable YAML file, found no such file\n';
    assert.deepEqual([unknown.code, unknown.stdout], [1, text]);
  });

  it('a monitor, of both nodes that are well', async () => {
    const [here, there] = await Promise.all([monitored('active'), monitored('passive')]);
    assert.deepEqual(here, {
      code: 0,
      text: 'BM-CONFSYNC OK - mail1 is active, epoch 1; mail2 has all',
      numbers: { conflicts: 0, pending: 0, held: 0, lag: 0, connected: 1 },
    });
    assert.equal(there.code, 0, there.text);
    assert.match(there.text, /^BM-CONFSYNC OK - mail2 is passive and can take over; it follows mail1, heard/);
    assert.deepEqual(Object.keys(there.numbers), ['conflicts', 'pending', 'heard']);
  });

  it('telegraf, by the words of its drop-in: the labels that it names, on each node', async () => {
    const { input, text } = dropIn();
    assert.deepEqual(Object.keys(input).toSorted(), [
      'commands',
      'data_format',
      'interval',
      'tags',
      'timeout',
    ]);
    // The one format of which it takes what a command printed that did not end with 0.
    assert.equal(input.data_format, 'nagios');
    const [command = '', ...others] = input.commands;
    assert.deepEqual(others, []);
    assert.match(command, /^sudo -n \/usr\/bin\/bm-confsync /);
    // What it may run without a password is what it runs.
    assert.equal(/NOPASSWD: (.+)$/m.exec(text)?.[1], command.replace('sudo -n ', ''));
    for (const [node, named] of [
      ['active', /tag `perfdata` \(([^;]+) on the active/],
      ['passive', /; ([^;]+) on the passive one\)/],
    ] as const) {
      const words = command.split(' ').slice(3);
      const { stdout } = await pair.run(node, words);
      const [read = []] = readPerfdata([stdout]);
      const labels = named.exec(text.replaceAll(/\n# */g, ' '))?.[1]?.split(', ');
      assert.deepEqual(
        read.map(({ label }) => label),
        labels,
      );
    }
  });

  it('a monitor, of a command line that is wrong: UNKNOWN, and not what 1 or 2 mean to it', async () => {
    for (const words of [
      ['status', '--nagios', '--frobnicate'],
      ['status', '--nagios', '--watch'],
    ])
      assert.equal((await pair.run('active', words)).code, 3, words.join(' '));
  });

  it('a monitor, of HA that is disabled', async () => {
    await pair.run('active', ['ha', 'disable', '--reason', 'upgrade | 5.2']);
    for (const node of ['active', 'passive'] as const) {
      const { code, text } = await monitored(node);
      assert.equal(code, 1, text);
      assert.match(text, /^BM-CONFSYNC WARNING - mail[12] \(\w+\): HA disabled since .+: upgrade \/ 5\.2/);
    }
    await pair.run('active', ['ha', 'enable']);
    await eventually('all is well again', async () => (await monitored('active')).code === 0);
  });

  it('a monitor, of an edit on the wrong node, on both', async () => {
    writeFileSync(pair.at('passive', 'etc/motd'), 'edited here\n');
    await eventually('both nodes know', async () => {
      const seen = await Promise.all([monitored('active'), monitored('passive')]);
      return seen.every(({ code, text, numbers }) => {
        return code === 1 && numbers['conflicts'] === 1 && text.includes('1 conflict waits');
      });
    });
    const told = await checked('passive');
    const text = 'mail2 (passive): 1 conflict waits, see bm-confsync conflicts\n';
    assert.deepEqual(told, { code: 1, stdout: text, stderr: '' });
    writeFileSync(pair.at('passive', 'etc/motd'), 'hello\n');
    await eventually('all is well again', async () => (await monitored('active')).code === 0);
  });

  it('a monitor, of a daemon that hangs, that is gone, and of a peer that is', async () => {
    active.process.kill('SIGSTOP');
    const [{ code, stdout }, ready] = await Promise.all([
      pair.run('active', ['status', '--nagios']),
      pair.run('active', ['ready', '--nagios']),
    ]);
    active.process.kill('SIGCONT');
    assert.equal(code, 2, stdout);
    assert.match(stdout, /^BM-CONFSYNC CRITICAL - the daemon does not answer: .+\n$/);
    assert.deepEqual(
      [ready.code, ready.stdout],
      [3, 'BM-CONFSYNC UNKNOWN - expected an answer of the daemon within 5 s, found none\n'],
    );

    await pair.sshd.pause();
    await eventually('the peer is missed', async () => (await monitored('active')).code === 2);
    assert.match((await monitored('active')).text, /CRITICAL - mail1 \(active\): mail2 is not connected/);
    await active.stop();
    const gone = await monitored('active');
    assert.deepEqual([gone.code, gone.numbers], [2, { conflicts: 0 }]);
    const { stdout: sentence } = await checked('active');
    assert.equal(
      sentence,
      'mail1 (active): the daemon does not run, start it with systemctl start bm-confsync\n',
    );
    assert.match(gone.text, /the daemon does not run, start it with systemctl start bm-confsync/);
  });
});

type DropIn = {
  readonly commands: readonly string[];
  readonly data_format: string;
  readonly interval: string;
  readonly timeout: string;
  readonly tags: Readonly<Record<string, string>>;
};

/** What telegraf is given, as Python reads TOML. */
function dropIn(): { readonly input: DropIn; readonly text: string } {
  const file = join(monitoring, 'telegraf-bm-confsync.conf');
  const program = 'import json, sys, tomllib; json.dump(tomllib.load(open(sys.argv[1], "rb")), sys.stdout)';
  const parsed = JSON.parse(execFileSync('python3', ['-c', program, file], { encoding: 'utf8' })) as {
    inputs: { exec: DropIn[] };
  };
  assert.deepEqual(Object.keys(parsed), ['inputs']);
  const [input, ...others] = parsed.inputs.exec;
  assert.ok(input !== undefined && others.length === 0);
  return { input, text: readFileSync(file, 'utf8') };
}

/** Puts the program where a shell finds it by its name. */
function install(pair: Pair): void {
  const bin = join(pair.folder, 'bin');
  mkdirSync(bin);
  const script = `#!/bin/sh\nexec '${process.execPath}' '${mainFile}' "$@"\n`;
  writeFileSync(join(bin, 'bm-confsync'), script, { mode: 0o755 });
}

function pathWithProgram(pair: Pair): string {
  return [join(pair.folder, 'bin'), '/usr/bin', '/bin'].join(delimiter);
}

function ran(program: string, words: readonly string[], environment: NodeJS.ProcessEnv): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(program, words, { env: { ...process.env, ...environment } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}
