import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { recordLockHolder } from '../../src/files/record-lock.ts';
import { eventually } from '../world/eventually.ts';
import { holdLock } from '../world/lock.ts';
import { temporaryFolder } from '../world/tree.ts';

const script =
  'import fcntl,sys\nf=open(sys.argv[2],"r+")\ngetattr(fcntl,sys.argv[1])(f,getattr(fcntl,sys.argv[3]))\nprint("held",flush=True)\nsys.stdin.read()';

/** Holds a lock from a process of its own; answers the process. */
async function hold(t: TestContext, how: 'lockf' | 'flock', file: string, mode = 'LOCK_EX') {
  const child = spawn('python3', ['-c', script, how, file, mode], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  await once(child.stdout, 'data');
  return { child, exited };
}

describe('the holder of a record lock', () => {
  let folder = '';
  let file = '';
  before(() => {
    folder = temporaryFolder('record-lock');
    file = join(folder, 'lock');
    writeFileSync(file, 'x');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('is nobody where the file is merely there, is not there, is a directory or a link', () => {
    const link = join(folder, 'dangling');
    symlinkSync('nowhere', link);
    for (const path of [file, join(folder, 'none'), join(folder, 'none', 'none'), folder, link])
      assert.equal(recordLockHolder(path), undefined, path);
  });

  it('is the process that holds it, until that lets go', async (t) => {
    const { child, exited } = await hold(t, 'lockf', file);
    assert.equal(recordLockHolder(file), child.pid);
    // Asking neither takes the lock nor drops it.
    assert.equal(recordLockHolder(file), child.pid);
    child.stdin.end();
    await exited;
    assert.equal(recordLockHolder(file), undefined);
  });

  it('is told of a lock for reading too', async (t) => {
    const { child } = await hold(t, 'lockf', file, 'LOCK_SH');
    // Python opens it for reading and writing, so both kinds are possible.
    assert.equal(recordLockHolder(file), child.pid);
  });

  it('is nobody once the process was killed with -9', async (t) => {
    const { child, exited } = await hold(t, 'lockf', file);
    assert.equal(recordLockHolder(file), child.pid);
    child.kill('SIGKILL');
    await exited;
    await eventually('the kernel lets go', () => recordLockHolder(file) === undefined);
  });

  it('is nobody where flock(2) is used, which is another lock', async (t) => {
    await hold(t, 'flock', file);
    assert.equal(recordLockHolder(file), undefined);
  });

  it('does not come in the way of who wants the lock', async () => {
    recordLockHolder(file);
    const held = await holdLock(file);
    assert.notEqual(recordLockHolder(file), undefined);
    await held.release();
  });
});
