import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { canaryFolder } from '../../src/core/canary.ts';
import type { Event } from '../../src/core/event.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { sweep } from '../../src/passive/sweep.ts';

const sha256 = (content: string): string => createHash('sha256').update(content).digest('hex');
const of = (name: string): string => `.${name}.bmcs-0123456789ab~`;

describe('what a crash left under a temporary name', () => {
  const root = mkdtempSync(join(tmpdir(), 'bm-confsync-sweep-'));
  const etc = (name: string): string => join(root, 'etc', name);
  const kept = new Map<string, string>();
  const events: Event[] = [];
  before(() => {
    mkdirSync(etc('.'));
    writeFileSync(etc('same'), 'same\n');
    writeFileSync(etc(of('same')), 'same\n');
    writeFileSync(etc('missed'), 'missed\n');
    writeFileSync(etc(of('missed')), 'missed\n');
    writeFileSync(etc('file'), 'new\n');
    writeFileSync(etc(of('file')), 'displaced\n');
    symlinkSync('same', etc('same-link'));
    symlinkSync('same', etc(of('same-link')));
    writeFileSync(etc('link'), 'was a link\n');
    symlinkSync('displaced', etc(of('link')));
    mkdirSync(etc(of('empty')));
    mkdirSync(etc(`${of('a-full')}/deep`), { recursive: true });
    writeFileSync(etc(`${of('a-full')}/deep/inside`), 'was not placed\n');
    writeFileSync(etc(`${of('a-full')}/deep/${of('large')}`), 'in parts\n');
    execFileSync('mkfifo', [etc(`${of('a-full')}/strange`)]);
    mkdirSync(etc('placed'));
    writeFileSync(etc('placed/same'), 'same\n');
    mkdirSync(etc(`${of('placed')}`));
    writeFileSync(etc(`${of('placed')}/same`), 'same\n');
    mkdirSync(join(root, canaryFolder), { recursive: true });
    writeFileSync(join(root, canaryFolder, of('beat')), 'not for a version\n');
    sweep({
      root,
      roots: ['/etc', '/var'] as ReplicaPath[],
      keep: ({ from, path, entry }) => {
        kept.set(path, entry.kind === 'symlink' ? `-> ${entry.target}` : entry.kind);
        unlinkSync(from);
      },
      misses: (digest) => digest === sha256('missed\n'),
      log: (event) => void events.push(event),
    });
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  it('is kept as a version, a file as well as a link, one that a version waits for, and what is in a new tree', () => {
    assert.deepEqual([...kept].sort(), [
      ['/etc/a-full/deep/inside', 'file'],
      ['/etc/a-full/deep/large', 'file'],
      ['/etc/file', 'file'],
      ['/etc/link', '-> displaced'],
      ['/etc/missed', 'file'],
    ]);
  });

  it('is removed where the same is in place', () => {
    for (const name of ['same', 'same-link', 'empty', 'placed']) assert.ok(!existsSync(etc(of(name))), name);
  });

  it('is left and told where it cannot be removed, and stops none of the others', () => {
    assert.deepEqual(readdirSync(etc(of('a-full'))), ['strange']);
    const failed = events.filter(({ kind }) => kind === 'path-failed');
    assert.deepEqual(failed, [
      {
        kind: 'path-failed',
        path: `/etc/${of('a-full')}`,
        reason: 'not-empty',
        detail: `ENOTEMPTY: rmdir /etc/${of('a-full')}`,
      },
    ]);
  });
});
