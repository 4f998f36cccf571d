import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { planMove } from '../../src/core/move.ts';
import { packEntry } from '../../src/core/packed.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { Directories } from '../../src/files/confined.ts';
import { observe } from '../../src/files/observe.ts';
import { kernelRenames } from '../../src/files/place.ts';
import { moveDirectory } from '../../src/passive/move.ts';
import type { PassiveNode } from '../../src/passive/node.ts';
import { IntentStore } from '../../src/state/intents.ts';
import { Ledger } from '../../src/state/ledger.ts';
import { agreedDigest } from '../../src/wire/agreed-digest.ts';
import { entryOf, memoryCache, temporaryFolder } from '../files/fixture.ts';
import { fileOf, Passive, type PassiveOptions, type Sender } from '../main/hostile-wire-rig.ts';
import { eventually } from '../world/eventually.ts';
import { write } from '../world/tree.ts';
import { Receiver } from './receiver-process.ts';

const at = (path: string): ReplicaPath => path as ReplicaPath;
const directory = { kind: 'directory', mode: 0o755, owner: 'root', group: 'root', xattrs: {} };
const directories = ['/etc/a', '/etc/a/d'];
const files: Readonly<Record<string, string>> = {
  '/etc/a/x': 'one',
  '/etc/a/d/y': 'two',
  '/etc/beside': 'three',
};

function ledgerOf(passive: Passive): Ledger {
  return new Ledger(passive.node.database, { peer: 'mail1', mode: 'direct', now: Date.now });
}

/** Has the passive agree on the tree. */
async function placed(sender: Sender): Promise<void> {
  for (const path of directories)
    assert.equal(
      (await sender.ack(sender.push(path, '', { put: directory, content: 'none' }))).kind,
      'applied',
    );
  for (const [path, text] of Object.entries(files))
    assert.equal((await sender.ack(sender.push(path, text))).kind, 'applied');
}

function moveOf(passive: Passive, [from, to] = ['/etc/a', '/etc/b']): Record<string, unknown> {
  const move = { from: at(from), to: at(to) };
  const planned = planMove(move, ledgerOf(passive).packedBelow(move.from), () => true);
  if (typeof planned === 'string') throw new Error(planned);
  return { t: 'move', id: 900, epoch: 5, ...move, paths: planned.length, digest: agreedDigest(planned) };
}

async function answered(sender: Sender, message: Record<string, unknown>): Promise<string | undefined> {
  sender.say(message);
  const { id, declined } = await sender.next('moved');
  assert.equal(id, 900);
  return declined;
}

describe('a directory that the active renamed', () => {
  it('is renamed here with all that is in it, and so remembered', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    await placed(sender);
    const inode = lstatSync(join(passive.root, 'etc/a/d/y')).ino;
    const before = ledgerOf(passive)
      .entries()
      .filter(([, entry]) => entry.kind !== 'absent');

    assert.equal(await answered(sender, moveOf(passive)), undefined);
    assert.equal(existsSync(join(passive.root, 'etc/a')), false);
    assert.equal(readFileSync(join(passive.root, 'etc/b/x'), 'utf8'), 'one');
    assert.equal(lstatSync(join(passive.root, 'etc/b/d/y')).ino, inode, 'nothing is copied');

    const ledger = ledgerOf(passive);
    for (const [path, entry] of before) {
      const isMoved = path === '/etc/a' || path.startsWith('/etc/a/');
      assert.deepEqual(ledger.get(at(path.replace('/etc/a', '/etc/b'))), entry);
      assert.deepEqual(ledger.get(path), isMoved ? { kind: 'absent' } : entry);
    }
    assert.deepEqual(new IntentStore(passive.node.database, 'mail1').list(), []);
    assert.deepEqual(
      passive.events.filter(({ kind }) => kind === 'moved'),
      [{ kind: 'moved', from: '/etc/a', to: '/etc/b', paths: 4 }],
    );
    // What follows finds it there.
    const expect = fileOf('one');
    assert.equal((await sender.ack(sender.push('/etc/b/x', 'newer', { expect }))).kind, 'applied');
  });

  it('goes to another directory', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    await placed(sender);
    mkdirSync(join(passive.root, 'etc/other'));
    assert.equal(await answered(sender, moveOf(passive, ['/etc/a', '/etc/other/b'])), undefined);
    assert.equal(readFileSync(join(passive.root, 'etc/other/b/d/y'), 'utf8'), 'two');
  });

  it('is renamed after what was sent before it', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    await placed(sender);
    const message = moveOf(passive);
    const push = sender.together(() => {
      const id = sender.push('/etc/late', 'late');
      sender.say(message);
      return id;
    });
    const answers = [await sender.until('moved')];
    assert.equal(answers[0]?.declined, undefined);
    assert.equal(readFileSync(join(passive.root, 'etc/late'), 'utf8'), 'late');
    assert.ok(push > 0);
  });
});

type Obstacle = {
  readonly what: string;
  readonly why: RegExp;
  readonly options?: PassiveOptions;
  readonly names?: readonly [string, string];
  readonly set?: (passive: Passive, sender: Sender) => void | Promise<void>;
  readonly change?: Readonly<Record<string, unknown>>;
};

const hook = (match: string) => ({ match, run: ['true'] });
const obstacles: readonly Obstacle[] = [
  {
    what: 'a file in it was edited here',
    why: /\/etc\/a\/x is not as it was agreed/,
    set: ({ root }) => writeFileSync(join(root, 'etc/a/x'), 'ours'),
  },
  {
    what: 'the mode of a file in it was changed here',
    why: /\/etc\/a\/d\/y is not as it was agreed/,
    set: ({ root }) => chmodSync(join(root, 'etc/a/d/y'), 0o600),
  },
  {
    what: 'a file in it was removed here',
    why: /\/etc\/a\/d\/y is not as it was agreed/,
    set: ({ root }) => rmSync(join(root, 'etc/a/d/y')),
  },
  {
    what: 'it holds a file that nobody agreed on',
    why: /\/etc\/a\/d\/new is not replicated, or not agreed on/,
    set: ({ root }) => writeFileSync(join(root, 'etc/a/d/new'), 'ours'),
  },
  {
    what: 'it holds what this node does not replicate',
    why: /\/etc\/a\/d\/local is not replicated, or not agreed on/,
    options: { watchlist: { exclude: ['/etc/*/d/local'] } },
    set: ({ root }) => writeFileSync(join(root, 'etc/a/d/local'), 'ours'),
  },
  {
    what: 'it is a link here by now',
    why: /is not as it was agreed/,
    set: ({ root }) => {
      renameSync(join(root, 'etc/a'), join(root, 'etc/real'));
      symlinkSync('real', join(root, 'etc/a'));
    },
  },
  {
    what: 'something is at its new name',
    why: /could not be renamed to \/etc\/b \(EEXIST\)/,
    set: ({ root }) => writeFileSync(join(root, 'etc/b'), 'ours'),
  },
  {
    what: 'an empty directory is at its new name',
    why: /could not be renamed to \/etc\/b \(EEXIST\)/,
    set: ({ root }) => mkdirSync(join(root, 'etc/b')),
  },
  {
    what: 'something is agreed to be at its new name',
    why: /something is agreed to be at \/etc\/b/,
    set: async (_, sender) => {
      assert.equal((await sender.ack(sender.push('/etc/b', 'theirs'))).kind, 'applied');
    },
  },
  { what: 'its new parent is not there', why: /\/etc\/none/, names: ['/etc/a', '/etc/none/b'] },
  {
    what: 'its new parent is reached through a link',
    why: /symbolic link/,
    names: ['/etc/a', '/etc/link/b'],
    set: ({ root }) => symlinkSync('.', join(root, 'etc/link')),
  },
  {
    what: 'this node leaves out its new name',
    why: /\/etc\/hostname is not replicated/,
    names: ['/etc/a', '/etc/hostname'],
  },
  { what: 'its new name is below it', why: /not apart/, change: { to: '/etc/a/d/b' } },
  { what: 'it is not agreed on', why: /\/etc\/no is not agreed on/, change: { from: '/etc/no' } },
  { what: 'the sender counts other paths', why: /do not agree on the same/, change: { paths: 3 } },
  { what: 'the sender agreed on something else', why: /do not agree on the same/, change: { digest: 'x' } },
  { what: 'the epoch is stale', why: /stale-epoch/, change: { epoch: 4 } },
  {
    what: 'HA is disabled',
    why: /ha-disabled/,
    set: ({ node }) => void node.switches.disable({ reason: 'upgrade', by: 'root' }, Date.now()),
  },
  {
    what: 'a path in it is in conflict',
    why: /\/etc\/a\/z is in conflict/,
    set: async ({ root }, sender) => {
      writeFileSync(join(root, 'etc/a/z'), 'ours');
      assert.equal((await sender.ack(sender.push('/etc/a/z', 'theirs'))).kind, 'conflict');
    },
  },
  {
    what: 'a validator is about a file in it',
    why: /a validator or a hook is about \/etc\/a\/x/,
    options: { watchlist: { validate: [hook('/etc/b/x')] } },
  },
  {
    what: 'a hook is about a file in it',
    why: /a validator or a hook is about \/etc\/a\/d/,
    options: { watchlist: { apply: [hook('/etc/a/d/*')] } },
  },
  {
    what: 'the file system cannot rename without replacing',
    why: /EINVAL/,
    options: { renames: { ...kernelRenames, noReplace: () => ({ ok: false, code: 'EINVAL' }) } },
  },
];

describe('a directory is left as it is, and the sender told why, where', () => {
  for (const { what, why, options = {}, names, set, change } of obstacles)
    it(what, async () => {
      const { renames, ...others } = options;
      // What is placed before needs renames that work.
      let broken = false;
      const noReplace: typeof kernelRenames.noReplace = (from, to) =>
        broken && renames !== undefined ? renames.noReplace(from, to) : kernelRenames.noReplace(from, to);
      await using passive = await Passive.open({ ...others, renames: { ...kernelRenames, noReplace } });
      const sender = await passive.session();
      await placed(sender);
      const message = moveOf(passive, [...(names ?? ['/etc/a', '/etc/b'])]);
      await set?.(passive, sender);
      const [tree, agreed] = [passive.tree(), ledgerOf(passive).entries()];
      broken = true;
      assert.match(String(await answered(sender, { ...message, ...change })), why);
      assert.equal(passive.tree(), tree);
      assert.deepEqual(ledgerOf(passive).entries(), agreed);
      assert.deepEqual(new IntentStore(passive.node.database, 'mail1').list(), []);
    });

  it('a process writes to a file in it', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    await placed(sender);
    const message = moveOf(passive);
    const writer = openSync(join(passive.root, 'etc/a/x'), 'r+');
    try {
      assert.match(String(await answered(sender, message)), /\/etc\/a\/x is not as it was agreed/);
    } finally {
      closeSync(writer);
    }
  });

  it('somebody puts another directory in its place in the last moment', async () => {
    let passiveRoot = '';
    const noReplace: typeof kernelRenames.noReplace = (from, to) => {
      const own = join(passiveRoot, 'etc/a');
      if (!existsSync(join(passiveRoot, 'etc/away')) && existsSync(join(own, 'd/y')) && to.endsWith('/b')) {
        renameSync(own, join(passiveRoot, 'etc/away'));
        mkdirSync(own);
        writeFileSync(join(own, 'unseen'), 'ours');
      }
      return kernelRenames.noReplace(from, to);
    };
    await using passive = await Passive.open({ renames: { ...kernelRenames, noReplace } });
    passiveRoot = passive.root;
    const sender = await passive.session();
    await placed(sender);
    assert.match(String(await answered(sender, moveOf(passive))), /\/etc\/a was replaced on this node/);
    assert.equal(readFileSync(join(passive.root, 'etc/a/unseen'), 'utf8'), 'ours');
    assert.equal(readFileSync(join(passive.root, 'etc/away/d/y'), 'utf8'), 'two');
    assert.equal(existsSync(join(passive.root, 'etc/b')), false);
  });

  it('a file system is mounted in it', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    await placed(sender);
    const message = moveOf(passive);
    const inner = join(passive.root, 'etc/a/d');
    execFileSync('mount', ['--bind', inner, inner]);
    try {
      assert.match(String(await answered(sender, message)), /etc\/a\/d is a mount point/);
      assert.equal(readFileSync(join(inner, 'y'), 'utf8'), 'two');
      assert.deepEqual(new IntentStore(passive.node.database, 'mail1').list(), []);
    } finally {
      execFileSync('umount', [inner]);
    }
  });

  it('the session was opened to look only', async () => {
    await using passive = await Passive.open();
    const first = await passive.session();
    await placed(first);
    const message = moveOf(passive);
    await first.cut();
    const sender = passive.connect();
    sender.hello({ purpose: 'inspect' });
    await sender.next('welcome');
    sender.say(message);
    assert.match((await sender.next('refused')).detail, /a move outside of replication/);
    assert.equal(existsSync(join(passive.root, 'etc/a/x')), true);
  });
});

describe('a directory that is renamed while files are being validated', () => {
  const slowly = {
    match: '/etc/checked*',
    run: ['sh', '-c', 'sleep 0.3; grep -qx good "$1"', 'sh', '{file}'],
  };

  it('comes after them, and lets no file pass that comes after it', async () => {
    await using passive = await Passive.open({ watchlist: { validate: [{ ...slowly, timeout: '5s' }] } });
    const sender = await passive.session();
    await placed(sender);
    const message = moveOf(passive);
    sender.together(() => {
      sender.push('/etc/checked1', 'good\n');
      sender.say(message);
      sender.push('/etc/checked2', 'bad\n');
    });
    assert.equal((await sender.next('ack')).result.kind, 'applied');
    assert.equal((await sender.next('moved')).declined, undefined);
    const { result } = await sender.next('ack');
    assert.equal(result.kind === 'refused' && result.reason, 'validator-failed');
    assert.equal(existsSync(join(passive.root, 'etc/checked2')), false);
    assert.equal(readFileSync(join(passive.root, 'etc/b/x'), 'utf8'), 'one');
  });

  it('forgets no intent of what was placed before', async () => {
    await using passive = await Passive.open({ watchlist: { validate: [{ ...slowly, timeout: '5s' }] } });
    const sender = await passive.session();
    await placed(sender);
    write(passive.root, { 'etc/closed': { content: 'text', mode: 0o644, mtime: 1_700_000_000 } });
    const expect = fileOf('text');
    const message = moveOf(passive);
    sender.together(() => {
      // One call changes it, before the batch that it is in is placed.
      sender.push('/etc/closed', '', { expect, put: { ...expect, mode: 0o600 }, content: 'local' });
      sender.push('/etc/checked1', 'good\n');
      sender.say({ ...message, digest: 'x' });
    });
    await eventually('the mode is changed', () => {
      const { mode } = lstatSync(join(passive.root, 'etc/closed'));
      return (mode & 0o777) === 0o600;
    });
    assert.deepEqual(
      new IntentStore(passive.node.database, 'mail1').list().map(({ path }) => path),
      ['/etc/closed'],
    );
    assert.match((await sender.until('moved')).declined ?? '', /do not agree/);
  });
});

describe('a crash while a directory is renamed', () => {
  it('leaves it under one of its names, and the next session knows which', async () => {
    const found = new Set<string>();
    for (let point = 1; ; point += 1) {
      await using passive = await Passive.open();
      const first = await passive.session();
      await placed(first);
      const message = moveOf(passive);
      await first.cut();
      let answers = false;
      {
        await using receiver = await Receiver.start(passive.config, { CRASH_AT: String(point) });
        receiver.sender.say(message);
        answers = await receiver.answersOrDies();
      }
      const next = await passive.session();
      const isMoved = existsSync(join(passive.root, 'etc/b'));
      assert.notEqual(existsSync(join(passive.root, 'etc/a')), isMoved);
      const top = isMoved ? 'etc/b' : 'etc/a';
      assert.equal(readFileSync(join(passive.root, top, 'd/y'), 'utf8'), 'two');
      const ledger = ledgerOf(passive);
      for (const path of ['/x', '/d', '/d/y']) {
        assert.notEqual(
          (ledger.get(at(`/${top}${path}`)) ?? { kind: 'absent' }).kind,
          'absent',
          `${point} ${path}`,
        );
        const other = isMoved ? '/etc/a' : '/etc/b';
        assert.equal(
          (ledger.get(at(`${other}${path}`)) ?? { kind: 'absent' }).kind,
          'absent',
          `${point} ${path}`,
        );
      }
      await next.cut();
      found.add(`${isMoved}`);
      if (answers) break;
      assert.ok(point < 50);
    }
    assert.deepEqual([...found].sort(), ['false', 'true'], 'crashes came before and after the rename');
  });
});

it('both parents and the directory itself are made durable, after it has moved', () => {
  using folder = temporaryFolder();
  write(folder.path, { 'etc/a/x': 'one', 'etc/other': { directory: true } });
  const cache = memoryCache();
  using opened = new Directories(folder.path);
  const rows = ['/etc/a', '/etc/a/x'].map((path) => {
    const seen = observe({
      directories: opened,
      path: at(path),
      cache,
      maxFileSizeBytes: 10,
      checkWriters: false,
    });
    return [at(path), packEntry(entryOf(seen))] as const;
  });
  const move = { from: at('/etc/a'), to: at('/etc/other/b') };
  const planned = planMove(move, rows, () => true);
  assert.ok(typeof planned !== 'string');
  const settled: string[][] = [];
  const node = {
    name: 'mail2',
    seat: () => ({ role: 'passive', epoch: 5 }),
    haSwitch: () => ({ state: 'enabled' }),
    root: folder.path,
    watchlists: { includes: () => true, validators: [], applies: [] },
    cache,
    settle: (fds: readonly number[]) => settled.push(fds.map((fd) => readlinkSync(`/proc/self/fd/${fd}`))),
  } as unknown as PassiveNode;
  const memory = {
    packedBelow: (path: ReplicaPath) => (path === move.from ? rows : []),
    intendMove: () => undefined,
    inConflict: () => [],
    commit: () => undefined,
  };
  const about = { paths: planned.length, digest: agreedDigest(planned) };
  const moved = moveDirectory({ t: 'move', id: 1, epoch: 5, ...move, ...about }, { node, memory });
  assert.deepEqual(moved, planned);
  assert.deepEqual(settled, [['etc', 'etc/other', 'etc/other/b'].map((path) => join(folder.path, path))]);
});

it('a digest of what is agreed tells paths and entries apart, and leaves out times', () => {
  const row = (path: string, text: string, mtime: string) => ({
    from: at(path),
    to: at('/n'),
    packed: packEntry(fileOf(text, { mtime })),
  });
  const one = agreedDigest([row('/a', 'x', '1.000000000')]);
  assert.equal(agreedDigest([row('/a', 'x', '2.000000000')]), one);
  assert.notEqual(agreedDigest([row('/b', 'x', '1.000000000')]), one);
  assert.notEqual(agreedDigest([row('/a', 'y', '1.000000000')]), one);
});
