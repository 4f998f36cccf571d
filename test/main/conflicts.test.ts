import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { Entry } from '../../src/core/entry.ts';
import type { Conflict } from '../../src/state/conflicts.ts';
import { eventually } from '../world/eventually.ts';
import { conflictsOn } from '../world/kept.ts';
import { type NodeName, Pair, type Running } from '../world/pair.ts';
import { differences, write } from '../world/tree.ts';

function modeOf(entry: Entry): number | undefined {
  return entry.kind === 'file' || entry.kind === 'directory' ? entry.mode : undefined;
}

/** Waits until a node lists the conflict of a path (or none any more). */
async function listed(
  pair: Pair,
  node: NodeName,
  path: string,
  matches: (row: Conflict | undefined) => boolean,
): Promise<Conflict> {
  let found: Conflict | undefined;
  await eventually(
    `${node} lists the conflict of ${path} as expected`,
    async () => {
      found = conflictsOn(pair, node).find((row) => row.path === path);
      return matches(found);
    },
    { detail: () => JSON.stringify(found) },
  );
  return found as Conflict;
}

const isThere = (row: Conflict | undefined): boolean => row !== undefined;
const isGone = (row: Conflict | undefined): boolean => row === undefined;

describe('an edit on the passive node, with both daemons', () => {
  let pair: Pair;
  let active: Running;
  let passive: Running;
  before(async () => {
    pair = await Pair.open({ mutual: true });
    write(pair.root('active'), {
      'etc/content.conf': 'agreed\n',
      'etc/mode.conf': { content: 'm\n', mode: 0o644 },
      'etc/owner.conf': 'o\n',
      'etc/type.conf': 't\n',
      'etc/link': { symlink: 'content.conf' },
      'etc/deleted.conf': 'd\n',
      'etc/both.conf': 'b\n',
      'etc/other.conf': '0\n',
      'etc/take-passive.conf': { content: 'p0\n', mode: 0o640 },
      'etc/take-active.conf': 'a0\n',
      'etc/equal.conf': 'e0\n',
      'etc/back.conf': 'k0\n',
    });
    passive = pair.spawnDaemon('passive');
    active = await pair.startActive();
    await pair.flush();
    assert.equal(differences(pair.root('active'), pair.root('passive')), '');
    await eventually('the passive’s daemon watches', () => passive.log().includes('watching'));
  });
  after(() => pair[Symbol.asyncDispose]());

  const edits: [string, string, () => void, (row: Conflict) => boolean][] = [
    [
      'of content',
      '/etc/content.conf',
      () => writeFileSync(pair.at('passive', 'etc/content.conf'), 'mine\n'),
      ({ active: a, passive: p }) => a.kind === 'file' && p.kind === 'file',
    ],
    [
      'of the mode',
      '/etc/mode.conf',
      () => chmodSync(pair.at('passive', 'etc/mode.conf'), 0o600),
      ({ active: a, passive: p }) => modeOf(a) === 0o644 && modeOf(p) === 0o600,
    ],
    [
      'of the owner',
      '/etc/owner.conf',
      () => chownSync(pair.at('passive', 'etc/owner.conf'), 1, 1),
      ({ passive: p }) => p.kind === 'file',
    ],
    [
      'of the type',
      '/etc/type.conf',
      () => {
        unlinkSync(pair.at('passive', 'etc/type.conf'));
        mkdirSync(pair.at('passive', 'etc/type.conf'));
      },
      ({ passive: p }) => p.kind === 'directory',
    ],
    [
      'of a link’s target',
      '/etc/link',
      () => {
        unlinkSync(pair.at('passive', 'etc/link'));
        symlinkSync('elsewhere', pair.at('passive', 'etc/link'));
      },
      ({ passive: p }) => p.kind === 'symlink',
    ],
    [
      'by deletion',
      '/etc/deleted.conf',
      () => unlinkSync(pair.at('passive', 'etc/deleted.conf')),
      ({ passive: p }) => p.kind === 'absent',
    ],
    [
      'by a new file',
      '/etc/new-here.conf',
      () => writeFileSync(pair.at('passive', 'etc/new-here.conf'), 'n\n'),
      ({ active: a }) => a.kind === 'absent',
    ],
  ];
  for (const [what, path, edit, shows] of edits) {
    it(`${what} is a conflict edited-on-passive on both nodes, with one id`, async () => {
      edit();
      const there = await listed(pair, 'passive', path, isThere);
      const here = await listed(pair, 'active', path, (row) => row !== undefined && shows(row));
      assert.equal(here.kind, 'edited-on-passive');
      assert.equal(there.kind, 'edited-on-passive');
      await eventually('the ids are the same', async () => {
        const other = conflictsOn(pair, 'passive').find((row) => row.path === path);
        return other?.id === here.id;
      });
    });
  }

  it('leaves all other paths as they should be: they go on', async () => {
    writeFileSync(pair.at('active', 'etc/other.conf'), '1\n');
    await eventually(
      'the other path is replicated',
      () => readFileSync(pair.at('passive', 'etc/other.conf'), 'utf8') === '1\n',
    );
    assert.equal(readFileSync(pair.at('passive', 'etc/content.conf'), 'utf8'), 'mine\n');
    assert.equal(readFileSync(pair.at('active', 'etc/content.conf'), 'utf8'), 'agreed\n');
    assert.ok(!existsSync(pair.at('passive', 'etc/deleted.conf')));
  });

  it('shows in status on both nodes, in verify and in the log', async () => {
    for (const node of ['active', 'passive'] as const) {
      const status = await pair.run(node, ['status']);
      assert.equal(status.code, 1, status.stdout + status.stderr);
      assert.match(status.stdout, /conflicts: 7/);
      assert.match(status.stdout, /bm-confsync conflicts/);
    }
    const verified = (await pair.json('active', ['verify'])) as {
      peers: { drift: { path: string }[] }[];
    };
    const drift = verified.peers[0]?.drift.map(({ path }) => path) ?? [];
    for (const [, path] of edits) assert.ok(drift.includes(path), path);
    const shown = await pair.run('active', ['verify']);
    assert.match(shown.stdout, /held as a conflict: `bm-confsync conflicts show [0-9a-f]{10}`/);
    assert.match(active.log(), /conflict.*\/etc\/content\.conf.*edited-on-passive/);
    assert.match(passive.log(), /conflict.*\/etc\/content\.conf.*edited-on-passive/);
  });

  it('stays listed when the active’s file is touched without being changed', async () => {
    const { mode } = statSync(pair.at('active', 'etc/content.conf'));
    chmodSync(pair.at('active', 'etc/content.conf'), mode);
    await pair.flush();
    await listed(pair, 'active', '/etc/content.conf', isThere);
    await listed(pair, 'passive', '/etc/content.conf', isThere);
  });

  it('a later change on the active updates the same conflict', async () => {
    const before = await listed(pair, 'active', '/etc/content.conf', isThere);
    writeFileSync(pair.at('active', 'etc/content.conf'), 'theirs\n');
    const later = await listed(
      pair,
      'active',
      '/etc/content.conf',
      (row) => row !== undefined && row.id !== before.id,
    );
    assert.equal(later.kind, 'edited-on-both');
    assert.equal(later.detectedAt, before.detectedAt);
    await listed(pair, 'passive', '/etc/content.conf', (row) => row?.id === later.id);
    const all = conflictsOn(pair, 'active');
    assert.equal(all.filter(({ path }) => path === '/etc/content.conf').length, 1);
    assert.equal(readFileSync(pair.at('passive', 'etc/content.conf'), 'utf8'), 'mine\n');
  });

  it('what the passive refused is kept there as a version', async () => {
    const history = await pair.run('passive', ['history', '/etc/content.conf', '--json']);
    assert.match(history.stdout, /"refused"/);
  });

  it('vanishes by itself on both nodes when both become equal', async () => {
    writeFileSync(pair.at('passive', 'etc/equal.conf'), 'e1\n');
    await listed(pair, 'active', '/etc/equal.conf', isThere);
    writeFileSync(pair.at('active', 'etc/equal.conf'), 'e1\n');
    await listed(pair, 'active', '/etc/equal.conf', isGone);
    await listed(pair, 'passive', '/etc/equal.conf', isGone);
  });

  it('vanishes by itself when the edit is taken back', async () => {
    writeFileSync(pair.at('passive', 'etc/back.conf'), 'k1\n');
    await listed(pair, 'active', '/etc/back.conf', isThere);
    writeFileSync(pair.at('passive', 'etc/back.conf'), 'k0\n');
    await listed(pair, 'passive', '/etc/back.conf', isGone);
    await listed(pair, 'active', '/etc/back.conf', isGone);
  });

  it('resolve --take passive carries it to the active, which keeps its own as a version', async () => {
    writeFileSync(pair.at('passive', 'etc/take-passive.conf'), 'p1\n');
    chmodSync(pair.at('passive', 'etc/take-passive.conf'), 0o600);
    const { id } = await listed(
      pair,
      'active',
      '/etc/take-passive.conf',
      (row) => row !== undefined && modeOf(row.passive) === 0o600,
    );
    const ran = await pair.run('active', ['conflicts', 'resolve', id, '--take', 'passive']);
    assert.equal(ran.code, 0, ran.stdout + ran.stderr);
    assert.equal(readFileSync(pair.at('active', 'etc/take-passive.conf'), 'utf8'), 'p1\n');
    assert.equal(statSync(pair.at('active', 'etc/take-passive.conf')).mode & 0o7777, 0o600);
    const history = await pair.run('active', ['history', '/etc/take-passive.conf', '--json']);
    assert.match(history.stdout, /"overwritten"/);
    await listed(pair, 'active', '/etc/take-passive.conf', isGone);
    await listed(pair, 'passive', '/etc/take-passive.conf', isGone);
  });

  it('resolve --take active from the passive node puts the active’s side there', async () => {
    writeFileSync(pair.at('passive', 'etc/take-active.conf'), 'a1\n');
    await listed(pair, 'active', '/etc/take-active.conf', isThere);
    const { id } = await listed(pair, 'passive', '/etc/take-active.conf', isThere);
    const ran = await pair.run('passive', ['conflicts', 'resolve', id, '--take', 'active']);
    assert.equal(ran.code, 0, ran.stdout + ran.stderr);
    assert.equal(readFileSync(pair.at('passive', 'etc/take-active.conf'), 'utf8'), 'a0\n');
    await listed(pair, 'passive', '/etc/take-active.conf', isGone);
  });

  it('resolve settles the rest in one go, whatever their types', async () => {
    const ids = conflictsOn(pair, 'active').map(({ id }) => id);
    const ran = await pair.run('active', ['conflicts', 'resolve', ...ids, '--take', 'passive']);
    assert.equal(ran.code, 0, ran.stdout + ran.stderr);
    await pair.flush();
    assert.equal(differences(pair.root('active'), pair.root('passive')), '');
    assert.ok(statSync(pair.at('active', 'etc/type.conf')).isDirectory());
    assert.equal(readlinkSync(pair.at('active', 'etc/link')), 'elsewhere');
    assert.ok(!existsSync(pair.at('active', 'etc/deleted.conf')));
    assert.equal(readFileSync(pair.at('active', 'etc/content.conf'), 'utf8'), 'mine\n');
    assert.deepEqual(conflictsOn(pair, 'active'), []);
    assert.deepEqual(conflictsOn(pair, 'passive'), []);
    const status = await pair.run('passive', ['status']);
    assert.equal(status.code, 0, status.stdout);
  });

  it('an edit while no daemon runs anywhere is found when they start', async () => {
    await active.stop();
    await passive.stop();
    writeFileSync(pair.at('passive', 'etc/other.conf'), 'unwatched\n');
    passive = pair.spawnDaemon('passive');
    const row = await listed(pair, 'passive', '/etc/other.conf', isThere);
    assert.equal(row.kind, 'edited-on-passive');
    active = await pair.startActive();
    await listed(pair, 'active', '/etc/other.conf', isThere);
  });

  it('an id that is none, or is old, resolves nothing', async () => {
    const ran = await pair.run('active', ['conflicts', 'resolve', '0123456789', '--take', 'active']);
    assert.equal(ran.code, 1);
    assert.match(ran.stdout + ran.stderr, /no such conflict/);
  });

  it('a conflict about a path that nobody agreed on ends when it is gone on both', async () => {
    await listed(pair, 'active', '/etc/other.conf', isThere);
    writeFileSync(pair.at('passive', 'etc/never.conf'), 'x\n');
    await listed(pair, 'active', '/etc/never.conf', isThere);
    rmSync(pair.at('passive', 'etc/never.conf'));
    await listed(pair, 'active', '/etc/never.conf', isGone);
    await listed(pair, 'passive', '/etc/never.conf', isGone);
  });
});

describe('policies', () => {
  it('active-wins overwrites the passive’s edit and keeps it as a version; newest-wins takes the younger file', async () => {
    await using pair = await Pair.open({
      mutual: true,
      watchlist: {
        policies: [
          { match: '/etc/aw/**', conflict: 'active-wins' },
          { match: '/etc/nw/**', conflict: 'newest-wins' },
        ],
      },
    });
    write(pair.root('active'), {
      'etc/aw/a.conf': 'agreed\n',
      'etc/nw/older-here.conf': 'agreed\n',
      'etc/nw/newer-here.conf': 'agreed\n',
      'etc/held.conf': 'agreed\n',
    });
    const passive = pair.spawnDaemon('passive');
    await pair.startActive();
    await pair.flush();
    await eventually('the passive’s daemon watches', () => passive.log().includes('watching'));

    writeFileSync(pair.at('passive', 'etc/held.conf'), 'edit\n');
    writeFileSync(pair.at('passive', 'etc/aw/a.conf'), 'edit\n');
    writeFileSync(pair.at('passive', 'etc/nw/older-here.conf'), 'edit\n');
    await eventually(
      'active-wins puts the active’s side back',
      () => readFileSync(pair.at('passive', 'etc/aw/a.conf'), 'utf8') === 'agreed\n',
    );
    const history = await pair.run('passive', ['history', '/etc/aw/a.conf', '--json']);
    assert.match(history.stdout, /"overwritten"/);
    await eventually(
      'newest-wins carries the younger file to the active',
      () => readFileSync(pair.at('active', 'etc/nw/older-here.conf'), 'utf8') === 'edit\n',
    );
    const kept = await pair.run('active', ['history', '/etc/nw/older-here.conf', '--json']);
    assert.match(kept.stdout, /"overwritten"/);
    await eventually('only the held one waits', async () => {
      const now = conflictsOn(pair, 'active');
      return now.length === 1 && now[0]?.path === '/etc/held.conf';
    });
  });
});
