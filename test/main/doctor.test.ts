import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Check } from '../../src/cli/doctor/check.ts';
import { type Asking, type PeerFacts, seePeer } from '../../src/cli/doctor/peer.ts';
import type { Surroundings } from '../../src/cli/doctor/surroundings.ts';
import type { Peer } from '../../src/config/load.ts';
import { mainFile } from '../rig/program.ts';
import { eventually } from '../world/eventually.ts';
import type { NodeName } from '../world/pair.ts';
import {
  active,
  brokenNode,
  brokenPeer,
  brokenSurroundings,
  brokenTree,
  brokenWayIn,
  cib,
  cluster,
  config,
  etc,
  ofPeer,
  stonith,
} from './doctor-broken.ts';
import { DoctorRig, findings } from './doctor-rig.ts';

/** Every check breaks here in earnest, and is then the one thing that doctor finds on a pair that was healthy. */

let rig: DoctorRig;
before(async () => {
  rig = await DoctorRig.open();
});
after(() => rig[Symbol.asyncDispose]());

type Examining = { readonly other?: Partial<Surroundings>; readonly live?: boolean };

async function examined(node: NodeName, { other = {}, live = false }: Examining = {}) {
  const checks = await rig.examine(node, other, live ? seePeer : remembered);
  return {
    checks,
    found: findings(checks),
    left: namesOf(checks.filter(({ result }) => result === 'not checked')),
  };
}

/** What the peer told when all was well: most that can break is nothing to it, and connecting takes its time. */
const known = new Map<string, Promise<PeerFacts>>();

function remembered(peer: Peer, asking: Asking): Promise<PeerFacts> {
  const key = `${asking.config.node} ${peer.name}`;
  const facts = known.get(key) ?? seePeer(peer, asking);
  known.set(key, facts);
  return facts;
}

function namesOf(checks: readonly Check[]): string[] {
  return [...new Set(checks.map(({ name }) => name))].sort();
}

/** Without a cluster that answers, which the pair of this test does not have. */
const neverChecked = ['fencing'];

describe('doctor', () => {
  it('finds nothing on a healthy pair', async () => {
    const { found, left } = await examined('active');
    assert.deepEqual(found, []);
    assert.deepEqual(left, neverChecked);
  });

  for (const { what, breaks, finding, leaves, with: other, live = false } of [
    ...brokenNode,
    ...brokenWayIn,
    ...brokenPeer,
    ...brokenTree,
    ...brokenSurroundings,
  ]) {
    it(`finds ${what}, and nothing else`, async () => {
      using _broken = breaks(rig);
      const { found, left } = await examined('active', {
        live,
        ...(other === undefined ? {} : { other: other() }),
      });
      const [name, result, evidence, mend = /./] = finding;
      assert.deepEqual(
        found.map((check) => [check.name, check.result]),
        [[name, result]],
        JSON.stringify(found, null, 1),
      );
      assert.match(found[0]?.found ?? '', evidence);
      assert.match(found[0]?.mend ?? '', mend);
      const fencingTold = name === 'fencing' || what === 'no sshd';
      assert.deepEqual(left, [...(fencingTold ? [] : neverChecked), ...(leaves ?? [])].sort());
    });
  }

  it('finds a cluster with STONITH to be well', async () => {
    using _cluster = cluster(rig, cib(stonith('true')));
    const { found, left } = await examined('active');
    assert.deepEqual([found, left], [[], []]);
  });

  it('finds nothing again when all is mended', async () => {
    assert.deepEqual((await examined('active', { live: true })).found, []);
  });
});

describe('doctor, with lsyncd', () => {
  let running: ChildProcess;
  before(async () => {
    const program = join(rig.folder, 'lsyncd');
    copyFileSync('/usr/bin/sleep', program);
    running = spawn(program, ['600'], { stdio: 'ignore' });
    await once(running, 'spawn');
    const { pid } = running;
    const comm = (): string => readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
    await eventually('it has its name', () => comm() === 'lsyncd');
    symlinkSync(`/proc/${pid}`, join(rig.folder, 'proc', String(pid)));
  });
  after(async () => {
    const ended = once(running, 'exit');
    running.kill('SIGKILL');
    await ended;
    rmSync(join(rig.folder, 'proc', String(running.pid)));
  });

  it('warns of one that runs', async () => {
    const { found } = await examined('active');
    assert.deepEqual(namesOf(found), ['other-tools']);
    assert.deepEqual([found[0]?.result, found.length], ['warning', 1]);
    assert.match(
      found[0]?.found ?? '',
      new RegExp(`^lsyncd runs \\(process ${running.pid}\\); nothing was found`),
    );
  });

  it('finds one that is set up for our paths', async () => {
    const text = `-- ${etc(rig, 'a')}\nsync { default.rsync, source = "${etc(rig, '')}", target = "mail2:/etc" }\n`;
    using _configured = rig.rewritten(join(rig.system, 'etc/lsyncd/lsyncd.conf.lua'), () => text);
    const { found } = await examined('active');
    assert.deepEqual([found[0]?.name, found[0]?.result, found.length], ['other-tools', 'error', 1]);
    assert.match(found[0]?.found ?? '', /is about \S+\/etc\/? \(\S+lsyncd\.conf\.lua\)/);
    assert.equal(found[0]?.mend, 'systemctl disable --now lsyncd');
  });
});

describe('doctor, on the passive node', () => {
  it('finds that its daemon does not run, and nothing else', async () => {
    const config = readFileSync(join(rig.keysOf('passive'), 'sshd_config'), 'utf8');
    using _sshd = rig.rewritten(rig.sshdConfig, () => config);
    const { found } = await examined('passive');
    assert.deepEqual(namesOf(found), ['daemon']);
  });
});

describe('the command', () => {
  type Ran = { code: number; stdout: string };
  /** In namespaces of its own, where no process of somebody else is seen, and after commands that mount. */
  function run(words: readonly string[], mounts: readonly string[] = []): Promise<Ran> {
    const script = [...mounts, `exec "$0" "$@"`].join(' && ');
    const command = [process.execPath, mainFile, 'doctor', '--config', active(rig), ...words];
    const env = { ...process.env, PATH: rig.path };
    return new Promise((resolve) => {
      execFile(
        'unshare',
        ['-m', '-p', '-f', '--mount-proc', 'sh', '-c', script, ...command],
        { env },
        (error, stdout) => resolve({ code: error === null ? 0 : Number(error.code), stdout }),
      );
    });
  }

  type Told = { ok: boolean; checks: Check[] };
  const told = ({ stdout }: Ran): Told => JSON.parse(stdout) as Told;

  it('ends with 0 and prints a screen that fits, when all is well', async () => {
    const ran = await run([]);
    assert.equal(ran.code, 0, ran.stdout);
    assert.match(ran.stdout, /^ok {2}reach +mail2 answers: connected in \S+ m?s, round trip \S+ ms$/m);
    assert.match(ran.stdout, /^mail1: .* ok\n$/m);
    // Folders of tests have long names; nothing else is broken off.
    const lines = ran.stdout.split('\n').filter((line) => !line.includes('/tmp/'));
    assert.ok(
      lines.every((line) => line.length <= 80),
      ran.stdout,
    );
    assert.ok(!ran.stdout.includes('\u001b'));
  });

  it('looks as README.md shows it', async () => {
    using _cluster = cluster(rig, cib(stonith('false')));
    const { stdout } = await run([]);
    const readme = readFileSync(join(import.meta.dirname, '..', '..', 'README.md'), 'utf8');
    const shown = /^```\n(ok {2}configuration.*?)^```$/ms.exec(readme)?.[1] ?? '';
    const names = (text: string): string[] => [...text.matchAll(/^ok {2}\S+ +/gm)].map(([start]) => start);
    assert.deepEqual(names(shown), names(stdout));
    const below = (text: string): string => text.slice(text.indexOf('\nerror: '));
    assert.equal(below(shown), below(stdout));
  });

  it('tells programs the same', async () => {
    const ran = await run(['--json']);
    const { ok, checks } = told(ran);
    assert.deepEqual([ran.code, ok, findings(checks)], [0, true, []]);
    assert.ok(checks.length > 20);
    assert.ok(checks.every(({ name, result, found, mend }) => name && result && found && mend !== undefined));
  });

  it('finds a file system without extended attributes', async () => {
    mkdirSync(etc(rig, 'mounted'), { recursive: true });
    await rig.pair.flush();
    const ran = await run(['--json'], [`mount -t ramfs none ${etc(rig, 'mounted')}`]);
    const { ok, checks } = told(ran);
    const found = findings(checks);
    assert.deepEqual([ran.code, ok, namesOf(found), found.length], [1, false, ['xattrs'], 1], ran.stdout);
    assert.match(found[0]?.found ?? '', /no extended attributes, .*: ramfs \(\S+\/etc\/mounted\)$/);
  });

  it('finds a file system that is full', async () => {
    using _limit = config(rig, () => ({ limits: { minFreeDisk: '2MiB' } }));
    const ran = await run(['--json'], [`mount -t tmpfs -o size=1m none ${etc(rig, 'mounted')}`]);
    const found = findings(told(ran).checks);
    assert.deepEqual([ran.code, namesOf(found), found.length], [1, ['space'], 1], ran.stdout);
    assert.match(found[0]?.found ?? '', /1\.0 MiB free on the file system of \S+\/etc\/mounted, .* 2\.0 MiB/);
  });

  it('ends with 2 when the configuration is broken', async () => {
    using _broken = config(rig, () => ({ bogus: 1 }));
    const ran = await run([]);
    assert.equal(ran.code, 2, ran.stdout);
    assert.match(ran.stdout, /^error: configuration\n {4}.*bogus/ms);
  });

  it('ends with 3 when the peer cannot be reached and nothing else is wrong', async () => {
    await rig.pair.sshdOf('passive').pause();
    try {
      const { found, left } = await examined('active', { live: true });
      assert.deepEqual([namesOf(found), found.length], [['reach'], 1]);
      assert.match(found[0]?.found ?? '', /cannot reach mail2 .*ECONNREFUSED/);
      assert.deepEqual(left, [...neverChecked, 'forced-command', 'host-key', ...ofPeer].sort());
      const ran = await run([]);
      assert.equal(ran.code, 3, ran.stdout);
      assert.match(ran.stdout, /^not checked: .*owners/m);
    } finally {
      await rig.pair.sshdOf('passive').restart();
    }
  });
});
