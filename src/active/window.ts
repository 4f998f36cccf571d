import type { Duplex } from 'node:stream';

/** What may be on its way where a round trip takes no time. Bytes. */
const leastBytes = 512 * 1024;
/** And for each millisecond of a round trip: what a link of 128 Mbit/s carries meanwhile. Bytes. */
const bytesPerMs = 16 * 1024;

/** What is known of a connection of ssh2, right after a channel was opened. */
export type Opened = {
  /** The connection, after its handshake. */
  readonly client: object;
  readonly channel: Duplex;
  /** The shortest round trip that was seen, so that a long way is filled. */
  readonly roundTripMs: number;
};

/**
 * Bounds what is on its way to the far end of a channel and not read there yet (RFC 4254, section 5.2). sshd allows 2 MiB, and
 * keeps in one piece of memory what its program has not read, which it moves with each packet that comes: with all of 2 MiB in
 * there a first copy takes up to twice the time. What is not sent yet waits here, where nobody moves it.
 *
 * Only where the server is OpenSSH, which tells after 96 KiB that they were read (channels.c): one that tells after half of what
 * it allows would wait for more than comes.
 */
export function boundWindow({ client, channel, roundTripMs }: Opened): void {
  const server: unknown = Reflect.get(client, '_remoteVer');
  const outgoing: unknown = Reflect.get(channel, 'outgoing');
  if (typeof server !== 'string' || !server.startsWith('OpenSSH_')) return;
  if (typeof outgoing !== 'object' || outgoing === null) return;
  const allowed: unknown = Reflect.get(outgoing, 'window');
  if (typeof allowed !== 'number') return;
  // The far end gives back what was read, never more: so it stays bounded.
  const wanted = leastBytes + Math.ceil(roundTripMs) * bytesPerMs;
  Reflect.set(outgoing, 'window', Math.min(allowed, wanted));
}
