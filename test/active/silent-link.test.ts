import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

/** Runs a module in a network of its own, where links can be taken away. Answers what it prints. */
function inOwnNetwork(module: string): string {
  const lines = [
    'ip link set lo up',
    // Whatever is sent there is lost.
    'ip tuntap add dev away mode tun',
    'ip addr add 198.18.0.1/24 dev away',
    'ip link set away up',
    'exec "$0" --input-type=module --eval "$1"',
  ];
  const ran = spawnSync('unshare', ['-n', 'bash', '-ec', lines.join('\n'), process.execPath, module], {
    encoding: 'utf8',
    timeout: 50_000,
  });
  assert.equal(ran.status, 0, ran.stderr || String(ran.error ?? ran.signal));
  return ran.stdout.trim();
}

function source(name: string): string {
  return JSON.stringify(new URL(`../../src/${name}`, import.meta.url).href);
}

test('an address that does not answer is given up for the next attempt, and said to be silent', () => {
  const told = inOwnNetwork(`
    import { generateKeyPair, openLink } from ${source('active/link.ts')};
    import { NoAnswer } from ${source('active/no-answer.ts')};
    const key = 'ssh-ed25519 AAAA';
    const link = { peer: 'mail2', port: 22, user: 'root', privateKey: Buffer.from('x'), hostKey: key };
    const privateKey = Buffer.from(generateKeyPair('test').privateKey);
    const failure = async (host, deadlines) => {
      try {
        await openLink({ ...link, privateKey, host, ...deadlines });
      } catch (error) {
        return [error.code, error.cause instanceof NoAnswer, error.message];
      }
    };
    console.log(JSON.stringify([
      await failure('198.18.0.2', { answerDeadlineMs: 300 }),
      await failure('198.18.0.2', { stepDeadlineMs: 200 }),
      await failure('127.0.0.1', { answerDeadlineMs: 300 }),
    ]));
  `);
  assert.deepEqual(JSON.parse(told), [
    ['peer-unreachable', true, 'cannot reach mail2 (root@198.18.0.2:22): no answer within 300 ms'],
    ['peer-unreachable', true, 'cannot reach mail2 (root@198.18.0.2:22): no answer within 200 ms'],
    ['peer-unreachable', false, 'cannot reach mail2 (root@127.0.0.1:22): connect ECONNREFUSED 127.0.0.1:22'],
  ]);
});

const connected = `
  import { execFileSync } from 'node:child_process';
  import { connect, createServer } from 'node:net';
  import { giveUpUnanswered } from ${source('wire/tcp.ts')};
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise((resolve) => server.once('connection', resolve));
  const socket = connect({ host: '127.0.0.1', port: server.address().port });
  await new Promise((resolve) => socket.once('connect', resolve));
  const far = await accepted;
  far.on('error', () => undefined);
  giveUpUnanswered(socket, 500);
`;

test('a connection ends soon when what was sent over it is not confirmed', () => {
  const told = inOwnNetwork(`${connected}
    execFileSync('ip', ['link', 'set', 'lo', 'down']);
    const ended = new Promise((resolve) => socket.once('error', (error) => resolve(error.code)));
    socket.write('lost');
    console.log(await ended);
    process.exit(0);
  `);
  assert.equal(told, 'ETIMEDOUT');
});

test('a connection does not end because the other program takes its time', () => {
  const told = inOwnNetwork(`${connected}
    far.pause();
    socket.on('error', (error) => console.log(error.code));
    socket.on('close', () => console.log('closed'));
    socket.write('read later');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    far.once('data', (chunk) => {
      console.log(String(chunk));
      process.exit(0);
    });
    far.resume();
  `);
  assert.equal(told, 'read later');
});
