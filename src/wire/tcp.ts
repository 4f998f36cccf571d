import type { Socket } from 'node:net';
import koffi from 'koffi';

type SetSocketOption = (fd: number, level: number, name: number, value: Int32Array, size: number) => number;
type GetSocketOption = (
  fd: number,
  level: number,
  name: number,
  value: Uint8Array,
  size: Uint32Array,
) => number;

/** As in Linux's netinet/in.h and netinet/tcp.h; see tcp(7) and RFC 5482. */
const tcp = 6;
const tcpInfo = 11;
const userTimeout = 18;
/** Where `tcpi_min_rtt`, microseconds in a u32, lies in Linux's `struct tcp_info` (linux/tcp.h); there since Linux 4.6. */
const minRttAt = 148;
const minRttEnd = minRttAt + 4;
/** So long after the last sign of life the kernel asks whether the peer is there, milliseconds. No process wakes for it. */
const probeAfterMs = 5000;

type Calls = { readonly set: SetSocketOption; readonly get: GetSocketOption };

let loaded: Calls | undefined;

function calls(): Calls {
  if (loaded !== undefined) return loaded;
  const libc = koffi.load('libc.so.6');
  const set = libc.func('int setsockopt(int, int, int, const int *, unsigned int)') as SetSocketOption;
  const get = libc.func('int getsockopt(int, int, int, _Out_ uint8_t *, _Inout_ unsigned int *)');
  loaded = { set, get: get as GetSocketOption };
  return loaded;
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
  calls().set(fd, tcp, userTimeout, Int32Array.of(afterMs), 4);
}

/**
 * The shortest round trip that the kernel has seen on a connection, milliseconds. Taken by the kernel, so that a process which
 * was busy when an answer came does not count. Undefined where it is not known.
 */
export function roundTripOf(socket: Socket): number | undefined {
  const fd = descriptorOf(socket);
  if (fd === undefined) return undefined;
  const info = Buffer.alloc(minRttEnd);
  const size = Uint32Array.of(info.byteLength);
  if (calls().get(fd, tcp, tcpInfo, info, size) !== 0 || size[0] !== minRttEnd) return undefined;
  const microseconds = info.readUInt32LE(minRttAt);
  // What the kernel says before it has seen any.
  return microseconds === 0 || microseconds === 0xffffffff ? undefined : microseconds / 1000;
}

/** Node has no other way to an option that it does not know. */
function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (typeof handle !== 'object' || handle === null) return undefined;
  const fd: unknown = Reflect.get(handle, 'fd');
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
