import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { findLeftovers } from '../../src/files/glob.ts';
import { replica, temporaryFolder } from './fixture.ts';

const stem = '.bmcs-0123456789ab~';

test('leftovers are found beside, in and below what is listed, and nowhere else', () => {
  using folder = temporaryFolder();
  const names = [
    `etc/.a.conf.bmcs-0123456789ab~`,
    `etc/${stem}`,
    `etc/.hidden/deep/.x.bmcs-0123456789abo~`,
    `etc/[odd] {n,m}/!(x)/.*.bmcs-0123456789ab~`,
    `etc/é/. .bmcs-0123456789ab~`,
    `${stem}`,
    `usr/share/.yml.bmcs-0123456789ab~`,
    // Not ours, or not there where we write.
    'etc/.a~',
    'etc/a.bmcs-0123456789ab~',
    'etc/.a.bmcs-0123456789AB~',
    `usr/share/sub/${stem}`,
    `usr/${stem}`,
    `outside/${stem}`,
  ];
  for (const name of names) {
    mkdirSync(dirname(folder.at(name)), { recursive: true });
    writeFileSync(folder.at(name), '');
  }
  mkdirSync(folder.at(`etc/.dir.bmcs-0123456789ab~`));
  symlinkSync('anywhere', folder.at(`etc/.link.bmcs-0123456789ab~`));
  symlinkSync('../outside', folder.at('etc/link'));
  writeFileSync(folder.at('usr/share/elastic.yml'), '');
  const found = findLeftovers(folder.path, ['/etc', '/usr/share/elastic.yml', '/none/at/all'].map(replica));
  const expected = [...names.slice(0, 7), 'etc/.dir.bmcs-0123456789ab~', 'etc/.link.bmcs-0123456789ab~'];
  assert.deepEqual(found, expected.map((name) => `/${name}`).sort());
});

test('the whole root can be searched', () => {
  using folder = temporaryFolder();
  mkdirSync(folder.at('etc'));
  for (const name of [stem, `etc/${stem}`]) writeFileSync(folder.at(name), '');
  assert.deepEqual(findLeftovers(folder.path, [replica('/')]), [`/${stem}`, `/etc/${stem}`]);
});

test('links on the way are not followed', () => {
  using folder = temporaryFolder();
  mkdirSync(folder.at('outside/sub'), { recursive: true });
  mkdirSync(folder.at('root'));
  symlinkSync('../outside', folder.at('root/etc'));
  for (const name of [`outside/${stem}`, `outside/sub/${stem}`]) writeFileSync(folder.at(name), '');
  assert.deepEqual(findLeftovers(folder.at('root'), ['/etc', '/etc/sub', '/etc/sub/a'].map(replica)), []);
});
