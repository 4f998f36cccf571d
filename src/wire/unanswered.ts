import type { Socket } from 'node:net';
import koffi from 'koffi';

type SetSocketOption = (fd: number, level: number, name: number, value: Int32Array, size: number) => number;

/** As in Linux's netinet/in.h and netinet/tcp.h; see tcp(7) and RFC 5482. */
const tcp = 6;
const userTimeout = 18;
/** So long after the last sign of life the kernel asks whether the peer is there, milliseconds. No process wakes for it. */
const probeAfterMs = 5000;

let setSocketOption: SetSocketOption | undefined;

function load(): SetSocketOption {
  const call = koffi.load('libc.so.6').func('int setsockopt(int, int, int, const int *, unsigned int)');
  return call as SetSocketOption;
}

/**
 * Has the kernel end a connection whose data the peer's machine has not confirmed for so many milliseconds. Left to itself
 * it asks ever more seldom, for a quarter of an hour: a link that came back would be noticed that much later. It is the
 * machine that confirms, so that a peer may take as long as it wants, and a slow link is none that is dead.
 */
export function giveUpUnanswered(socket: Socket, afterMs: number): void {
  socket.setKeepAlive(true, probeAfterMs);
  const fd = descriptorOf(socket);
  if (fd === undefined) return;
  setSocketOption ??= load();
  setSocketOption(fd, tcp, userTimeout, Int32Array.of(afterMs), 4);
}

/** Node has no other way to an option that it does not know. */
function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (typeof handle !== 'object' || handle === null) return undefined;
  const fd: unknown = Reflect.get(handle, 'fd');
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
