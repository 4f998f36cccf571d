import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type Duplex, duplexPair } from 'node:stream';
import { describe, it } from 'node:test';
import { openSlowLink } from '../../benchmarks/slow-link.ts';
import { openLink } from '../../src/active/link.ts';
import { Session } from '../../src/active/session.ts';
import type { Entry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { Connection } from '../../src/wire/connection.ts';
import { type FromActive, type FromPassive, parseFromActive } from '../../src/wire/message.ts';
import { type Sshd, type SshdOptions, startSshd } from '../rig/sshd.ts';

/** Whether a link to a real sshd counts as slow. */
async function isSlow(place?: SshdOptions['place']): Promise<boolean> {
  await using sshd: Sshd = await startSshd({
    forcedCommand: 'cat',
    ...(place === undefined ? {} : { place }),
  });
  const { address: host, port, user, hostKey } = sshd;
  const privateKey = readFileSync(sshd.identityFile);
  const link = await openLink({ peer: 'mail2', host, port, user, hostKey, privateKey });
  link.close();
  return link.isSlow;
}

describe('a link counts as slow', () => {
  it('where a round trip takes 40 ms', async () => {
    await using link = await openSlowLink({ roundTripMs: 40, bitsPerSecond: 100e6 });
    assert.equal(await isSlow(link.place), true);
  });

  it('and not on this machine, however busy this process is when the answers come', async () => {
    const busy = setInterval(() => {
      const until = performance.now() + 50;
      while (performance.now() < until);
    }, 1);
    const slow = await isSlow();
    clearInterval(busy);
    assert.equal(slow, false);
  });
});

const directives = Array.from({ length: 4000 }, (_, line) => `smtpd_option_${line % 70} = ${line}`);
const bytes = Buffer.from(directives.join('\n'));
const put: Entry = {
  ...{ kind: 'file', digest: 'a'.repeat(64), size: bytes.byteLength, mtime: '0.000000000' },
  ...{ mode: 0o644, owner: 'root', group: 'root', xattrs: {} },
};

/** What a push of text takes on the wire, after it came through whole. */
async function carried(far: { readonly version: string; readonly isSlow: boolean }): Promise<number> {
  const [ours, theirs]: [Duplex, Duplex] = duplexPair();
  let wired = 0;
  theirs.on('data', (chunk: Buffer) => {
    wired += chunk.byteLength;
  });
  const came: Buffer[] = [];
  const greeting = { protocol: 1, node: 'mail2', role: 'passive', epoch: 1, ha: 'enabled' } as const;
  const peer: Connection<FromActive, FromPassive> = new Connection({
    stream: theirs,
    parse: parseFromActive,
    onMessages: (messages) => {
      for (const { message, body } of messages) {
        if (message.t === 'hello')
          peer.send({ t: 'welcome', ...greeting, version: far.version, watchlists: '', now: 0, highest: 1 });
        if (message.t !== 'push') continue;
        came.push(Buffer.from(body));
        peer.send({ t: 'ack', id: message.id, result: { kind: 'applied' } });
      }
    },
  });
  const opened = await Session.open({
    ...{ stream: ours, isSlow: far.isSlow, purpose: 'replicate', node: 'mail1', version: '2' },
    ...{ seat: { role: 'active', epoch: 1 }, watchlists: '', answerDeadlineMs: 20_000 },
  });
  assert.ok(opened.kind === 'open');
  const push = { path: '/etc/postfix/main.cf' as ReplicaPath, expect: { kind: 'absent' }, put } as const;
  const outcome = await opened.session.push(push, { kind: 'inline', bytes });
  assert.equal(outcome.kind, 'applied');
  assert.ok(Buffer.concat(came).equals(bytes));
  return wired;
}

describe('what is sent over a slow link', () => {
  it('travels packed', async () => {
    const wired = await carried({ version: '2', isSlow: true });
    assert.ok(wired < bytes.byteLength / 2, `${wired} bytes for ${bytes.byteLength}`);
  });

  it('travels as it is to a peer of another version, which may not know packed frames', async () => {
    assert.ok((await carried({ version: '1', isSlow: true })) > bytes.byteLength);
  });

  it('travels as it is where the link is fast', async () => {
    assert.ok((await carried({ version: '2', isSlow: false })) > bytes.byteLength);
  });
});
