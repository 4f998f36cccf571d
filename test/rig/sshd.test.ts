import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { succeeds } from '../world/eventually.ts';
import { isAlive } from './processes.ts';
import { type Sshd, startSshd } from './sshd.ts';

function sshArgs(sshd: Sshd, identityFile: string): string[] {
  return [
    ...['-F', 'none', '-i', identityFile, '-p', String(sshd.port), '-o', 'IdentitiesOnly=yes'],
    ...['-o', `UserKnownHostsFile=${sshd.knownHostsFile}`, '-o', 'BatchMode=yes'],
    ...['-o', 'StrictHostKeyChecking=yes', `${sshd.user}@127.0.0.1`],
  ];
}

function ssh(sshd: Sshd, identityFile: string, command: string): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve) => {
    const client = execFile('ssh', [...sshArgs(sshd, identityFile), command], (error, stdout) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout }),
    );
    client.stdin?.end();
  });
}

test('the restricted key runs the forced command whatever is asked for, also after a restart', async () => {
  await using sshd = await startSshd({ forcedCommand: 'printf "forced, not %s" "$SSH_ORIGINAL_COMMAND"' });
  const expected = { code: 0, stdout: 'forced, not echo free' };
  assert.deepEqual(await ssh(sshd, sshd.identityFile, 'echo free'), expected);
  await sshd.restart();
  assert.deepEqual(await ssh(sshd, sshd.identityFile, 'echo free'), expected);
  await sshd.pause();
  assert.equal((await ssh(sshd, sshd.identityFile, 'echo free')).code, 255);
  assert.match(sshd.log(), /Accepted publickey/);
});

test('the unrestricted key is there only when asked for, and runs anything', async () => {
  await using sshd = await startSshd({ forcedCommand: 'false', unrestrictedKey: true });
  const key = sshd.unrestrictedIdentityFile;
  assert.ok(key !== undefined);
  assert.deepEqual(await ssh(sshd, key, 'echo free'), { code: 0, stdout: 'free\n' });
  await using restricted = await startSshd({ forcedCommand: 'false' });
  assert.equal(restricted.unrestrictedIdentityFile, undefined);
});

/** A process shows no environment while the kernel replaces its program: waits until `exec cat` is through. */
async function becomesCat(sshd: Sshd): Promise<void> {
  await succeeds(() => {
    assert.deepEqual(
      sshd.sessions().commands.map(({ name }) => name),
      ['cat'],
    );
  });
}

test('dropping sessions ends the link and the command sees the end of its input', async () => {
  await using sshd = await startSshd({ forcedCommand: 'echo ready; exec cat' });
  const client = spawn('ssh', sshArgs(sshd, sshd.identityFile), { stdio: ['pipe', 'pipe', 'ignore'] });
  await once(client.stdout, 'data');
  await becomesCat(sshd);
  const { sshd: servers, commands } = sshd.sessions();
  assert.ok(servers.length > 0);
  assert.equal(commands.length, 1);
  const exited = once(client, 'exit');
  await sshd.dropSessions();
  assert.deepEqual(await exited, [255, null]);
  await succeeds(() => assert.deepEqual(commands.filter(isAlive), []));
});

test('a paused session answers only when resumed', async () => {
  await using sshd = await startSshd({ forcedCommand: 'echo ready; exec cat' });
  const client = spawn('ssh', sshArgs(sshd, sshd.identityFile), { stdio: ['pipe', 'pipe', 'ignore'] });
  await once(client.stdout, 'data');
  let answered = '';
  client.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    answered += chunk;
  });
  await becomesCat(sshd);
  sshd.pauseSessions();
  client.stdin.write('hello');
  // Another session shows that time has passed, and that only the old ones are paused.
  assert.deepEqual(await ssh(sshd, sshd.identityFile, ''), { code: 0, stdout: 'ready\n' });
  assert.equal(answered, '');
  sshd.resumeSessions();
  await succeeds(() => assert.equal(answered, 'hello'));
  client.stdin.end();
  await once(client, 'exit');
});

test('stop leaves no process, not even a command that ignores the end of its input', async () => {
  await using sshd = await startSshd({ forcedCommand: 'echo ready; exec sleep 600' });
  const client = spawn('ssh', sshArgs(sshd, sshd.identityFile), { stdio: ['pipe', 'pipe', 'ignore'] });
  await once(client.stdout, 'data');
  const exited = once(client, 'exit');
  await sshd.dropSessions();
  await exited;
  const { commands } = sshd.sessions();
  assert.equal(commands.length, 1);
  await sshd.stop();
  assert.deepEqual(commands.filter(isAlive), []);
});
