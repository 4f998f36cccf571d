import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { JournalStore } from '../../src/state/journal.ts';
import { another, file, opened, path, temporaryFolder } from './fixture.ts';

const group = {
  peer: 'mail1',
  epoch: 7,
  members: [
    {
      path: path('/etc/aliases'),
      temporary: path('/etc/.aliases.bmcs-0123456789ab~'),
      replaces: file('a', { xattrs: { 'user.x': 'eA==' } }),
      put: file('b'),
    },
    {
      path: path('/etc/wärme "x"'),
      temporary: path('/etc/.x.bmcs-0123456789ab~'),
      replaces: { kind: 'symlink', target: 'somewhere\nelse', owner: 'root', group: 'root' } as const,
      put: { kind: 'absent' } as const,
    },
  ],
};

test('a group is kept until it is closed, with whether it is placed', (t) => {
  const journal = new JournalStore(opened(t, temporaryFolder(t)));
  assert.deepEqual(journal.list(), []);
  journal.open('one', group);
  journal.open('two', { ...group, peer: 'mail3' });
  assert.deepEqual(journal.list(), [
    { id: 'one', group: { ...group, placed: false } },
    { id: 'two', group: { ...group, peer: 'mail3', placed: false } },
  ]);
  journal.placed('two');
  assert.deepEqual(
    journal.list().map(({ id, group: { placed, members } }) => [id, placed, members.length]),
    [
      ['one', false, 2],
      ['two', true, 2],
    ],
  );
  assert.deepEqual(journal.list()[1]?.group.members, group.members);
  journal.close('one');
  journal.close('two');
  assert.deepEqual(journal.list(), []);
});

test('a group outlives the process that is killed right after', async (t) => {
  const folder = temporaryFolder(t);
  const { child, lines } = another(
    t,
    `const { openDatabase } = await load('database');
     const { JournalStore } = await load('journal');
     new JournalStore(openDatabase(${JSON.stringify(folder)})).open('one', ${JSON.stringify(group)});
     say('open');
     process.stdin.resume();`,
  );
  assert.equal((await lines.next()).value, 'open');
  child.kill('SIGKILL');
  await once(child, 'exit');
  const journal = new JournalStore(opened(t, folder));
  assert.deepEqual(journal.list(), [{ id: 'one', group: { ...group, placed: false } }]);
});

test('a row that is not ours is told of, left out, and can be closed', (t) => {
  const database = opened(t, temporaryFolder(t));
  const told: string[] = [];
  const journal = new JournalStore(database, ({ table, key }) => told.push(`${table} ${key}`));
  const bad = {
    nonsense: '{',
    list: '[]',
    escape: JSON.stringify({
      ...group,
      placed: false,
      members: [{ ...group.members[0], path: '/etc/../root/.bashrc' }],
    }),
  };
  for (const [id, members] of Object.entries(bad)) {
    database.write(() =>
      database.statement('INSERT INTO journal (id, members) VALUES (?, ?)').run(id, members),
    );
  }
  journal.open('good', group);
  assert.deepEqual(
    journal.list().map(({ id }) => id),
    ['good'],
  );
  assert.deepEqual(told.sort(), ['journal escape', 'journal list', 'journal nonsense']);
  for (const id of Object.keys(bad)) journal.close(id);
  told.length = 0;
  assert.equal(journal.list().length, 1);
  assert.deepEqual(told, []);
});
