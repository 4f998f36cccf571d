import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { mainFile } from '../rig/program.ts';
import { eventually } from '../world/eventually.ts';
import type { Ran } from '../world/pair.ts';
import { temporaryFolder } from '../world/tree.ts';

/** Everything about /etc but access times: names, types, modes, owners, sizes, times and link targets. */
function listEtc(): string {
  const format = '%p %y %m %u %g %s %T@ %C@ %l\\n';
  const listing = execFileSync('find', ['/etc', '-printf', format], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return listing.split('\n').sort().join('\n');
}

let folder: string;
let environment: NodeJS.ProcessEnv;
before(() => {
  folder = temporaryFolder('demo-test');
  const { NO_COLOR: _noColor, ...inherited } = process.env;
  environment = { ...inherited, TMPDIR: folder, TERM: 'xterm-256color' };
});
after(() => rmSync(folder, { recursive: true, force: true }));

function runDemo(): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [mainFile, 'demo', '--once'], { env: environment }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
    );
  });
}

describe('demo', () => {
  it('--once shows the whole job, checks it, exits 0, leaves /etc and the temporary folder as they were', async () => {
    const before = listEtc();
    const ran = await runDemo();
    assert.equal(ran.code, 0, `${ran.stdout}${ran.stderr}`);
    assert.equal(ran.stderr, '');
    const said = [
      /^bm-confsync demo: two nodes in \S+; \/etc is read, never written$/m,
      /^first copy: [\d,]+ replicated paths on mail2 in .+, each durable$/m,
      /^An edit on the active node/m,
      /^So does an atomic save/m,
      /^A change of permissions/m,
      /^A new directory with its content/m,
      /^A symbolic link stays/m,
      /^A deletion is held/m,
      /^Somebody edits the passive node/m,
      /^-# wrong node$/m,
      /^ {2}ok {2}verify found the drift$/m,
      /^1 path pushed, 0 deleted/m,
      /^ {2}ok {2}both nodes are the same$/m,
      /^The same file is edited on both nodes/m,
      /^ {2}agreed: {10}file /m,
      /^-relay = mail1$/m,
      /^\+relay = mail2$/m,
      /^ {2}ok {2}mail1 has the file of mail2 now/m,
      /^ {2}ok {2}both nodes have the earlier content of mail1 again$/m,
      /^HA is disabled on mail1 and mail2$/m,
      /^error: resync is refused while HA is disabled on mail1: upgrade/m,
      /^mail2: \d+ paths compared: 1 changed alike on both, 1 pushed, 1 in conflict, 0 held back$/m,
      /^mail2: ready to take over$/m,
      /^mail2 is active now, epoch 2$/m,
      /^ {2}ok {2}a change on mail2 arrives on mail1 now$/m,
      /^mail1 is active now, epoch 3$/m,
      /^ {2}ok {2}and the other way round after the return$/m,
      /^Everything shown was checked on both disks and is true\.$/m,
    ];
    for (const sentence of said) assert.match(ran.stdout, sentence);
    assert.equal(ran.stdout.match(/^ {2}ok {2}/gm)?.length, 18, ran.stdout);
    assert.ok(!ran.stdout.includes('\u001b'), 'no colour and no progress bar without a terminal');
    assert.equal(listEtc(), before);
    assert.deepEqual(readdirSync(folder), []);
  });

  it('in a terminal shows the progress of the first copy, stays live, and ends cleanly on Ctrl-C', async () => {
    const command = `stty cols 100 rows 40; exec '${process.execPath}' '${mainFile}' demo`;
    const terminal = spawn('script', ['-qefc', command, '/dev/null'], {
      env: environment,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let screen = '';
    terminal.stdout.on('data', (chunk: Buffer) => {
      screen += chunk.toString();
    });
    const exited = once(terminal, 'exit');
    try {
      const live = (): boolean => screen.includes('Ctrl-C ends it') || terminal.exitCode !== null;
      await eventually('the demo stays live', live, { deadlineMs: 40_000, detail: () => screen });
      assert.equal(terminal.exitCode, null, screen);
      assert.match(screen, /first copy .*100% \| \d+\/\d+ paths/);
      const root = /echo hello >> (\S+)\/etc\/motd/.exec(screen)?.[1] ?? '';
      assert.ok(root.startsWith(folder), screen);
      appendFileSync(join(root, 'etc/motd'), 'hello\n');
      await eventually(
        'the edit is shown',
        () => /placed {2}\/etc\/motd on mail2 after \d+ ms/.test(screen),
        { detail: () => screen },
      );
      terminal.stdin.write('\u0003');
      const [code] = await exited;
      assert.equal(code, 0, screen);
      assert.match(screen, /Everything shown was checked on both disks and is true\./);
      assert.deepEqual(readdirSync(folder), []);
    } finally {
      terminal.kill('SIGKILL');
    }
  });
});
