import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { openSlowLink } from '../../benchmarks/slow-link.ts';
import { openLink } from '../../src/active/link.ts';
import { boundWindow } from '../../src/active/window.ts';
import { type SshdOptions, startSshd } from '../rig/sshd.ts';

const piece = Buffer.alloc(64 * 1024);
const pieces = 64;
const kib = 1024;

/** How much of 4 MiB leaves this process for a program that reads nothing. Bytes. */
async function takenUnread(place?: SshdOptions['place']): Promise<number> {
  await using sshd = await startSshd({
    forcedCommand: 'sleep 60',
    ...(place === undefined ? {} : { place }),
  });
  const { address: host, port, user, hostKey } = sshd;
  const privateKey = readFileSync(sshd.identityFile);
  const { stream, close } = await openLink({ peer: 'mail2', host, port, user, hostKey, privateKey });
  let taken = 0;
  for (let sent = 0; sent < pieces; sent += 1)
    stream.write(piece, () => {
      taken += piece.byteLength;
    });
  for (let before = -1; before !== taken || taken === 0; ) {
    before = taken;
    await pause(500);
  }
  close();
  return taken;
}

describe('what is on its way and not read', () => {
  it('is half a MiB next door, and what the pipe of the program holds', async () => {
    const taken = await takenUnread();
    assert.ok(taken > 256 * kib && taken <= 768 * kib, `${taken} bytes`);
  });

  it('is more than twice as much where a round trip takes 40 ms, so that the way is filled', async () => {
    await using link = await openSlowLink({ roundTripMs: 40, bitsPerSecond: 1e9 });
    const taken = await takenUnread(link.place);
    assert.ok(taken > 1024 * kib && taken <= 1536 * kib, `${taken} bytes`);
  });
});

it('is left alone of any other server, where it cannot be told, and where it is less', () => {
  const bounded = (server: string | undefined, window: unknown): unknown => {
    const outgoing = { window };
    const channel = Object.assign(new Duplex(), { outgoing });
    boundWindow({ client: { _remoteVer: server }, channel, roundTripMs: 1 });
    return outgoing.window;
  };
  const all = 2048 * kib;
  assert.equal(bounded('OpenSSH_9.2p1 Debian-2', all), 528 * kib);
  assert.equal(bounded('OpenSSH_9.2p1 Debian-2', 1000), 1000);
  assert.equal(bounded('dropbear_2022.83', all), all);
  assert.equal(bounded(undefined, all), all);
  assert.equal(bounded('OpenSSH_9.2p1', 'much'), 'much');
  assert.doesNotThrow(() =>
    boundWindow({ client: { _remoteVer: 'OpenSSH_9.2p1' }, channel: new Duplex(), roundTripMs: 1 }),
  );
});
