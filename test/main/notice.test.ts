import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { mainFile } from '../rig/program.ts';
import { eventually } from '../world/eventually.ts';
import { Pair, type Ran, type Running } from '../world/pair.ts';
import { Terminal } from '../world/terminal.ts';
import { temporaryFolder, write } from '../world/tree.ts';

const script = join(import.meta.dirname, '../../monitoring/login-notice.sh');

describe('the notice at login and logout', () => {
  let pair: Pair;
  let active: Running;
  before(async () => {
    pair = await Pair.open({ mutual: true });
    for (const node of ['active', 'passive'] as const) install(pair, node);
    write(pair.root('active'), { 'etc/motd': 'hello\n' });
    pair.spawnDaemon('passive');
    active = await pair.startActive();
    assert.equal((await pair.flush()).code, 0);
  });
  after(() => pair[Symbol.asyncDispose]());

  it('is a script that a checker has nothing against', () => {
    execFileSync('shellcheck', [script], { stdio: ['ignore', 'inherit', 'inherit'] });
  });

  /** What a shell prints that reads the script and then runs `commands`. */
  function shell(words: readonly string[], commands: string, bin = binOf(pair, 'passive')): Promise<Ran> {
    const [program = '', ...rest] = words;
    const environment = { PATH: `${bin}:/usr/bin:/bin`, HOME: pair.folder };
    return ran(program, [...rest, commands], environment);
  }
  const read = `. '${script}'; echo "goes on $?"`;
  const bash = ['bash', '--noprofile', '--norc', '-ic'];
  const passive = 'bm-confsync: this is mail2, the passive node: edit on mail1\n';

  it('is told by shells of root in which somebody sits, and fails none', async () => {
    await eventually('the passive knows the active', async () => {
      const found = await pair.json('passive', ['status']);
      return (found['following'] as { heardAt: number | null } | null)?.heardAt != null;
    });
    const shells = [bash, ['dash', '-ic'], ['zsh', '-f', '-ic']];
    for (const words of shells)
      for (const set of ['', 'set -eu; '])
        await tells(() => shell(words, set + read), `${passive}goes on 0\n`);
  });

  it('is not told by others: no terminal, another user, no program', async (context) => {
    // A program that everybody may run, and that says something to everybody.
    const open = temporaryFolder('open');
    context.after(() => rmSync(open, { recursive: true }));
    chmodSync(open, 0o755);
    writeFileSync(join(open, 'bm-confsync'), '#!/bin/sh\necho told\n', { mode: 0o755 });
    const quiet = [
      shell(['bash', '--noprofile', '--norc', '-c'], read, open),
      shell(['dash', '-c'], `set -eu; ${read}`, open),
      shell(['setpriv', '--reuid=65534', '--clear-groups', ...bash], read, open),
      shell(bash, read, '/nowhere'),
    ];
    for (const { code, stdout } of await Promise.all(quiet))
      assert.deepEqual([code, stdout], [0, 'goes on 0\n']);
    assert.equal((await shell(bash, read, open)).stdout, 'told\ngoes on 0\ntold\n');
  });

  it('keeps the trap that was there, its exit code, and the arguments of the shell', async () => {
    writeFileSync(pair.at('passive', 'etc/motd'), 'edited\n');
    await eventually('both know', async () => (await pair.json('passive', ['status']))['conflicts'] === 1);
    const conflict = 'bm-confsync: 1 conflict waits: bm-confsync conflicts\n';
    const own = `trap "echo 'it'\\''s mine' \\$? # last" EXIT; set -- one two; `;
    const both = `${passive}${conflict}`;
    const commands = `${own}. '${script}'; ${read}; echo $*; exit 7`;
    const expected = `${both}${both}goes on 0\none two\nit's mine 7\n${conflict}`;
    await tells(() => shell(bash, commands), expected, 7);
    writeFileSync(pair.at('passive', 'etc/motd'), 'hello\n');
    await eventually('it is over', async () => (await pair.json('passive', ['status']))['conflicts'] === 0);
  });

  it('a login and a logout on a terminal: silent when all is well, then what the other node lacks', async () => {
    // What a login reads, with ours in the place of this machine's.
    const profiles = join(pair.folder, 'profile.d');
    mkdirSync(profiles);
    symlinkSync(script, join(profiles, 'bm-confsync-notice.sh'));
    const mounts = `mount --bind '${profiles}' /etc/profile.d; mount --bind '${binOf(pair, 'active')}' /usr/local/bin`;
    const within = ['unshare', '--mount', 'sh', '-c', `${mounts}; exec "$@"`, 'sh'];
    using terminal = new Terminal(join(pair.folder, 'tmux'), { within });
    await terminal.shows(/^ready:/m);
    const login = `clear; HOME='${pair.folder}' bash -l; echo left $?`;
    terminal.type(login, 'Enter');
    terminal.type('echo begun', 'Enter');
    await terminal.shows(/^begun$/m);
    terminal.type('exit 3', 'Enter');
    assert.doesNotMatch(await terminal.shows(/^left 3$/m), /bm-confsync:/);

    await pair.sshd.pause();
    write(pair.root('active'), { 'etc/a': 'a', 'etc/b': 'b', 'etc/motd': 'new' });
    await eventually('three changes wait', async () => {
      const { peers } = (await pair.json('active', ['status'])) as {
        peers?: { pending: number; connected: boolean }[];
      };
      return peers?.[0]?.pending === 3 && !peers[0].connected;
    });
    const waiting = /^bm-confsync: 3 changes not yet on mail2 \(not connected\): bm-confsync status$/gm;
    terminal.type(login, 'Enter');
    // What is typed meanwhile is for the shell.
    terminal.type('echo begun', 'Enter');
    const begun = await terminal.shows(/^begun$/m);
    assert.equal(begun.match(waiting)?.length, 1, begun);
    terminal.type('exit', 'Enter');
    const ended = await terminal.shows(/^left 0$/m);
    assert.equal(ended.match(waiting)?.length, 2, ended);
    await pair.sshd.restart();
  });

  it('a daemon that hangs, a program that does, and a daemon that is gone hold no shell up', async () => {
    const hanging = join(pair.folder, 'hanging');
    mkdirSync(hanging);
    writeFileSync(join(hanging, 'bm-confsync'), '#!/bin/sh\nexec sleep 600\n', { mode: 0o755 });
    const stuck = await shell(['dash', '-ic'], read, hanging);
    assert.deepEqual([stuck.code, stuck.stdout], [0, 'goes on 0\n']);
    active.process.kill('SIGSTOP');
    const line = 'bm-confsync: the daemon of this node does not answer: systemctl status bm-confsync\n';
    try {
      await tells(() => shell(bash, read, binOf(pair, 'active')), `${line}goes on 0\n${line}`);
    } finally {
      active.process.kill('SIGCONT');
    }
    await active.stop();
    const dead = 'bm-confsync: the daemon does not run on this node: systemctl start bm-confsync\n';
    await tells(() => shell(bash, read, binOf(pair, 'active')), `${dead}goes on 0\n${dead}`);
  });
});

/**
 * A shell gives the program two seconds and goes on without it, as it may have to on a busy machine: it tells this then
 * when it is begun once more. It never fails, and tells nothing else.
 */
async function tells(shell: () => Promise<Ran>, expected: string, exit = 0): Promise<void> {
  const lines = expected.split('\n');
  for (let attempt = 1; ; attempt += 1) {
    const { code, stdout } = await shell();
    assert.equal(code, exit);
    if (stdout === expected || attempt === 5) return assert.equal(stdout, expected);
    assert.ok(
      stdout.includes('goes on 0\n') && stdout.split('\n').every((one) => lines.includes(one)),
      stdout,
    );
  }
}

/** The program as a node has it. */
function install(pair: Pair, node: 'active' | 'passive'): void {
  mkdirSync(binOf(pair, node), { recursive: true });
  const text = `#!/bin/sh\nexec '${process.execPath}' '${mainFile}' "$@" --config '${pair.config(node)}'\n`;
  writeFileSync(join(binOf(pair, node), 'bm-confsync'), text, { mode: 0o755 });
}

function binOf(pair: Pair, node: 'active' | 'passive'): string {
  return join(pair.folder, node, 'bin');
}

function ran(program: string, words: readonly string[], environment: NodeJS.ProcessEnv): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(program, words, { env: environment }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}
