import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { commandLinesOf, documentsOf } from '../rig/documents.ts';
import { checkout } from '../rig/program.ts';
import { eventually } from '../world/eventually.ts';
import { Terminal } from '../world/terminal.ts';
import { temporaryFolder } from '../world/tree.ts';
import { type Machine, TwoMachines } from '../world/two-machines.ts';

const keys = '/root/.ssh/authorized_keys';
const config = '/etc/bm-confsync/config.yml';
const someoneElse =
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBVwzBqNDvB8dLn2sNPfM1p3cV7p8pDXnX2mF3yP5u6q admin@home';

async function filesOf(machine: Machine): Promise<string> {
  return machine.shell(`cat ${keys} ${config} 2>/dev/null || true`);
}

describe('pair, over the administrator’s own ssh', () => {
  let two: TwoMachines;
  let untouched: string;
  before(async () => {
    two = await TwoMachines.open();
    await two.mail2.shell(`mkdir -m 0700 /root/.ssh; printf '%s\\n' '# ours' '${someoneElse}' >${keys}`);
    await two.mail1.letInto(two.mail2);
    untouched = await two.mail2.shell(`cat ${keys}`);
  });
  after(() => two[Symbol.asyncDispose]());

  it('wants this node to be made first', async () => {
    const ran = await two.mail1.bm('pair', '--yes', 'root@mail2');
    assert.equal(ran.code, 2);
    assert.match(
      ran.stderr,
      /expected the configuration of this node in .*config\.yml, found none\nhint: {2}first: bm-confsync init/,
    );
    const made = await two.mail1.bm('init', '--node', 'mail1', '--role', 'active');
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.stdout, /bm-confsync pair root@OTHER-NODE/);
  });

  it('asks nobody where there is no terminal, and changes nothing', async () => {
    const ran = await two.mail1.bm('pair', 'root@mail2');
    assert.equal(ran.code, 2);
    assert.match(ran.stderr, /expected a terminal .*found none\nhint: {2}.*--yes/s);
    assert.equal(
      await two.mail2
        .shell(`cat ${keys}; ls /etc/bm-confsync 2>&1 || true`)
        .then((text) => text.startsWith(untouched) && /No such file/.test(text)),
      true,
    );
  });

  const refusals: [string, string[], number, RegExp][] = [
    [
      'what ssh would take for an option',
      ['--yes', '--', '-oProxyCommand=touch /tmp/x'],
      2,
      /expected USER@HOST/,
    ],
    [
      'a host that is not there',
      ['--yes', 'root@mail9'],
      3,
      /expected bm-confsync on root@mail9 to answer over ssh, found: ssh could not connect/,
    ],
    [
      'a node without the program',
      ['--yes', '--peer-command', 'no-bm-confsync', 'root@mail2'],
      3,
      /found: there is no bm-confsync\nhint: {2}install the same bm-confsync there/,
    ],
    [
      'a program that answers something else',
      ['--yes', '--peer-command', "echo 'bm-confsync-pair: {}' #", 'root@mail2'],
      3,
      /does not speak as this version does/,
    ],
    [
      'a peer of the same name',
      ['--yes', '--name', 'mail1', 'root@mail2'],
      2,
      /expected a name for the peer that is not mail1/,
    ],
  ];
  for (const [what, words, code, message] of refusals) {
    it(`refuses ${what}, and changes nothing`, async () => {
      const before = await filesOf(two.mail1);
      const ran = await two.mail1.bm('pair', ...words);
      assert.equal(ran.code, code, ran.stderr);
      assert.match(ran.stderr, message);
      assert.match(ran.stderr, /^hint: {2}\S/m);
      assert.equal(await filesOf(two.mail1), before);
      assert.equal(await filesOf(two.mail2), untouched);
    });
  }

  it('refuses itself, and changes nothing', async () => {
    await two.mail1.shell(
      `cp /root/.ssh/id_ed25519.pub ${keys}; ssh-keyscan -t ed25519 mail1 >>/root/.ssh/known_hosts 2>/dev/null`,
    );
    const before = await filesOf(two.mail1);
    const ran = await two.mail1.bm('pair', '--yes', 'root@mail1');
    assert.equal(await filesOf(two.mail1), before);
    await two.mail1.shell(`rm ${keys}`);
    assert.equal(ran.code, 4, ran.stderr);
    assert.match(ran.stderr, /expected two machines, found the same host key on both: SHA256:/);
  });

  it('makes both known to each other, proves it in both directions, and leaves every other line alone', async () => {
    const before = await two.mail1.shell(`cat ${config}`);
    const ran = await two.mail1.bm('pair', '--yes', 'root@mail2');
    assert.equal(ran.code, 0, ran.stdout + ran.stderr);
    const print =
      (await two.mail2.shell('ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub')).split(' ')[1] ?? '';
    assert.ok(ran.stdout.includes(`host key ${print}`), ran.stdout);
    assert.match(ran.stdout, /proven {3}a session from mail1 to mail2, \d+ ms/);
    assert.match(ran.stdout, /proven {3}a session from mail2 to mail1, \d+ ms/);
    const there = await two.mail2.shell(`cat ${keys}`);
    assert.ok(there.startsWith(untouched), there);
    assert.match(
      there.slice(untouched.length),
      /^restrict,command="bm-confsync receive",from="192\.0\.2\.1" ssh-ed25519 \S+ bm-confsync@mail1\n$/,
    );
    assert.match(
      await two.mail1.shell(`cat ${keys}`),
      /^restrict,command="bm-confsync receive",from="192\.0\.2\.2" \S+ \S+ bm-confsync@mail2\n$/,
    );
    const now = await two.mail1.shell(`cat ${config}`);
    const added = now.split('\n').filter((line) => !before.includes(line));
    assert.equal(added.length, 6, added.join('\n'));
    for (const { name, shell } of [two.mail1, two.mail2].map((machine) => ({
      name: machine.name,
      shell: machine,
    })))
      assert.equal(
        await shell.shell(
          `stat -c '%a' ${keys} /root/.ssh ${config} /etc/bm-confsync/id_ed25519 /etc/bm-confsync /var/lib/bm-confsync`,
        ),
        '600\n700\n600\n600\n700\n700\n',
        name,
      );
  });

  it('once more keeps everything', async () => {
    const files = await Promise.all([filesOf(two.mail1), filesOf(two.mail2)]);
    const ran = await two.mail1.bm('pair', '--yes', 'root@mail2');
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(ran.stdout.match(/^kept {5}/gm)?.length, 4, ran.stdout);
    assert.deepEqual(await Promise.all([filesOf(two.mail1), filesOf(two.mail2)]), files);
  });

  it('over a jump host has to be told where the nodes reach each other', async () => {
    const jump =
      'Host behind\n  HostName mail2\n  HostKeyAlias mail2\n  ProxyCommand ssh -W %h:%p root@mail2\n';
    await two.mail1.shell(`printf '%s' '${jump}' >/root/.ssh/config`);
    const untold = await two.mail1.bm('pair', '--yes', 'root@behind');
    assert.equal(untold.code, 2, untold.stderr);
    assert.match(
      untold.stderr,
      /found a machine in between.*\nhint: {2}say so with --host .* and --self-host/,
    );
    const told = ['--host', 'mail2', '--self-host', two.mail1.address];
    const ran = await two.mail1.bm('pair', '--yes', ...told, 'root@behind');
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(ran.stdout.match(/^kept {5}/gm)?.length, 4, ran.stdout);
  });

  it('lets nobody but the forced command in, and from nowhere else', async () => {
    const key = '/etc/bm-confsync/id_ed25519';
    const own = '-o BatchMode=yes -o IdentitiesOnly=yes';
    const asked = await two.mail1.run(
      'sh',
      '-c',
      `ssh ${own} -i ${key} root@mail2 cat /etc/shadow </dev/null`,
    );
    assert.doesNotMatch(asked.stdout, /root:/);
    await two.mail1.shell('ip addr add 192.0.2.77/24 dev cable');
    const elsewhere = await two.mail1.run('sh', '-c', `ssh ${own} -b 192.0.2.77 -i ${key} root@mail2 true`);
    await two.mail1.shell('ip addr del 192.0.2.77/24 dev cable');
    assert.match(elsewhere.stderr, /Permission denied/);
  });

  it('needs nothing more for a failover: files go one way, and after promote the other', async () => {
    for (const machine of [two.mail1, two.mail2])
      await machine.shell('nohup bm-confsync run >/tmp/log 2>&1 &');
    const same = async (from: Machine, to: Machine, text: string): Promise<void> => {
      await from.shell(`echo '${text}' >/etc/postfix-test.cf`);
      const there = (): Promise<boolean> =>
        to.run('grep', '-q', text, '/etc/postfix-test.cf').then(({ code }) => code === 0);
      await eventually(`${text} on ${to.name}`, there, { pollMs: 100, deadlineMs: 60_000 });
    };
    await same(two.mail1, two.mail2, 'from mail1');
    const promoted = await two.mail2.bm('promote');
    assert.equal(promoted.code, 0, promoted.stdout + promoted.stderr);
    await same(two.mail2, two.mail1, 'from mail2');
    const again = await two.mail1.bm('pair', '--yes', 'root@mail2');
    assert.equal(again.code, 0, again.stdout + again.stderr);
    for (const machine of [two.mail1, two.mail2]) await machine.shell('pkill -f "[m]ain.ts run"');
  });

  it('does not take another host key for the pinned one, unless told to', async () => {
    await two.mail2.shell(
      "rm /etc/ssh/ssh_host_ed25519_key*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; pkill -HUP -o sshd",
    );
    await eventually('sshd is up again', () => two.mail2.isUp(), { pollMs: 50 });
    const byAdmin = await two.mail1.bm('pair', '--yes', 'root@mail2');
    assert.equal(byAdmin.code, 3, 'the administrator’s own ssh knows another key');
    await two.mail1.shell('ssh-keyscan -t ed25519 mail2 >/root/.ssh/known_hosts 2>/dev/null');
    const other = await two.mail1.bm('pair', '--yes', 'root@mail2');
    assert.equal(other.code, 2, other.stderr);
    assert.match(
      other.stderr,
      /knows another mail2\n\s*hostKey: .* there, .* now\nhint: {2}pair again with --replace/,
    );
    const replaced = await two.mail1.bm('pair', '--yes', '--replace', 'root@mail2');
    assert.equal(replaced.code, 0, replaced.stderr);
  });

  it('says which direction does not work, and what to do', async () => {
    await two.mail1.shell("sed -i '$a DenyUsers root' /etc/ssh/sshd_config; pkill -HUP -o sshd");
    const ran = await two.mail1.bm('pair', '--yes', 'root@mail2');
    await two.mail1.shell("sed -i '/DenyUsers/d' /etc/ssh/sshd_config; pkill -HUP -o sshd");
    assert.equal(ran.code, 3, ran.stderr);
    assert.match(ran.stderr, /expected a session from mail2 to mail1, found: .*refused our key/);
    assert.match(ran.stderr, /^hint: {2}.*then pair again/m);
  });

  it('refuses two active nodes', async () => {
    const mail3 = '/etc/third/config.yml';
    const places =
      'root: /\nstate: /var/lib/third\nruntime: /run/third\npeers:\n- name: mail9\n  host: mail9\n  identityFile: /etc/third/key';
    await two.mail2.shell(
      `mkdir -m 0700 /etc/third; printf 'node: mail3\nwatchlists: [bluemind]\n${places}\n' >${mail3}; chmod 0600 ${mail3}; ` +
        `bm-confsync init --config ${mail3} --node mail3 --role active`,
    );
    const promoted = await two.mail1.bm('promote');
    assert.equal(promoted.code, 0, promoted.stdout + promoted.stderr);
    const ran = await two.mail1.bm('pair', '--yes', '--peer-config', mail3, 'root@mail2');
    assert.equal(ran.code, 4, ran.stderr);
    assert.match(
      ran.stderr,
      /expected one active node, found that mail1 and mail3 both are\nhint: {2}.*demote/,
    );
  });

  it('unpair undoes all of it', async () => {
    const ran = await two.mail1.bm('unpair', '--yes');
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(ran.stdout.match(/^removed {2}/gm)?.length, 4, ran.stdout);
    assert.equal(await two.mail2.shell(`cat ${keys}`), untouched);
    assert.equal(await two.mail1.shell(`cat ${keys}`), '');
    for (const machine of [two.mail1, two.mail2])
      assert.match(await machine.shell(`cat ${config}`), /^peers: \[\]$/m);
    const more = await two.mail1.bm('unpair', '--yes');
    assert.equal(more.code, 2);
    assert.match(more.stderr, /expected a peer under peers in .*, found none/);
  });
});

/** The command lines of the documents that are not for the pair of readme.test.ts. */
const shown = [...documentsOf(checkout).values()]
  .flatMap(commandLinesOf)
  .filter(([command = '']) => ['pair', 'unpair'].includes(command))
  .map((words) => `bm-confsync ${words.join(' ')}`);

/** What is not the same twice, as the guide has it. */
function masked(screen: string): string {
  return screen
    .replaceAll(/SHA256:\S{43}/g, 'SHA256:…')
    .replaceAll(/\d+ ms/g, '400 ms')
    .replaceAll(/bm-confsync \d+\.\d+\.\d+/g, 'bm-confsync 0.1.0')
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
    .trim();
}

describe('pair and init on a terminal', () => {
  const folder = temporaryFolder('pair-terminal');
  let two: TwoMachines;
  before(async () => {
    two = await TwoMachines.open();
  });
  after(async () => {
    await two[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });
  let terminal: Terminal;
  afterEach(() => terminal.close());

  it('init asks for what was not said, with a default for each', async () => {
    terminal = new Terminal(join(folder, 'init'), { within: two.mail1.within() });
    await terminal.shows(/^ready:/m);
    terminal.type('clear; bm-confsync init', 'Enter');
    await terminal.shows(/Name of this node \[mail1\]: ?$/m);
    terminal.type('no name', 'Enter');
    await terminal.shows(/expected at most 63 letters/);
    terminal.type('Enter');
    await terminal.shows(/Does it serve mail now.*\[passive\]: ?$/m);
    terminal.type('active', 'Enter');
    const screen = await terminal.shows(/made {5}the seat: active, epoch 1/);
    assert.match(screen, /wrote {4}\/etc\/bm-confsync\/config\.yml/);
    terminal.type('clear; bm-confsync init --node mail1 --role active; echo ended $?', 'Enter');
    await terminal.shows(/ended 0/);
    assert.doesNotMatch(terminal.screen(), /\[/, 'with flags it asks nothing');
  });

  it('pair shows the host key, lets ssh ask for a password once, asks, and goes on', async () => {
    terminal = new Terminal(join(folder, 'pair'), { within: two.mail1.within(), rows: 40 });
    await terminal.shows(/^ready:/m);
    terminal.type('clear; bm-confsync pair root@mail2', 'Enter');
    await terminal.shows(/continue connecting/);
    terminal.type('yes', 'Enter');
    await terminal.shows(/root@mail2's password: ?/);
    terminal.type('password of mail2', 'Enter');
    await terminal.shows(/Pair mail1 and mail2 \[y\]: ?$/m);
    terminal.type('n', 'Enter');
    await terminal.shows(/nothing was changed/);
    assert.match(await two.mail2.shell(`ls ${keys} ${config} 2>&1 || true`), /(.*No such file.*\n){2}/);
    assert.ok(shown.includes('bm-confsync pair root@mail2'));
    terminal.type('clear', 'Enter');
    await eventually('the screen is empty', () => !terminal.screen().includes('password'), { pollMs: 50 });
    terminal.type('bm-confsync pair root@mail2', 'Enter');
    await terminal.shows(/root@mail2's password: ?/);
    terminal.type('password of mail2', 'Enter');
    await terminal.shows(/Pair mail1 and mail2 \[y\]: ?$/m);
    terminal.type('Enter');
    const screen = masked(await terminal.shows(/then, on both nodes.*\n+ready:/));
    assert.equal(screen.match(/password:/g)?.length, 1, screen);
    for (const guide of ['guide.md', 'guide.fr.md']) {
      const text = readFileSync(join(checkout, 'docs', guide), 'utf8');
      const asked = screen.slice(screen.indexOf('mail2    not set up'), screen.indexOf('\nready:'));
      assert.ok(text.includes(asked), `${guide} is to show:\n${asked}`);
    }
  });

  it('the other commands of the documents work', async () => {
    const rest = new Set(shown.filter((line) => line !== 'bm-confsync pair root@mail2'));
    assert.deepEqual([...rest], ['bm-confsync unpair --only-here']);
    const before = await two.mail1.shell(`cat ${config}`);
    const there = await filesOf(two.mail2);
    const ran = await two.mail1.bm('unpair', '--only-here', '--yes');
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(await filesOf(two.mail2), there);
    assert.match(await two.mail1.shell(`cat ${config}`), /^peers: \[\]$/m);
    await two.mail1.shell(`printf '%s' '${before}' >${config}`);
  });

  it('Ctrl-C at the question leaves everything as it was', async () => {
    const before = await filesOf(two.mail2);
    terminal = new Terminal(join(folder, 'unpair'), { within: two.mail1.within() });
    await terminal.shows(/^ready:/m);
    terminal.type('clear; bm-confsync unpair; echo ended $?', 'Enter');
    await terminal.shows(/Forget the pair mail1 and mail2 on both nodes \[y\]: ?$/m);
    terminal.type('C-c');
    await terminal.shows(/ended [1-9]/);
    assert.equal(await filesOf(two.mail2), before);
  });
});
