import koffi from 'koffi';

/** What systemd can be told, see sd_notify(3). */
export type SystemdState = 'READY=1' | 'STOPPING=1' | 'WATCHDOG=1' | `STATUS=${string}`;

const afUnix = 1;
/** SOCK_DGRAM | SOCK_CLOEXEC of Linux. */
const datagram = 2 | 0o2000000;
const noSignal = 0x4000;
/** sizeof(sun_path). */
const maxAddressBytes = 108;

type Libc = {
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly sendto: (
    fd: number,
    data: Uint8Array,
    length: number,
    flags: number,
    address: Uint8Array,
    addressLength: number,
  ) => number;
  readonly close: (fd: number) => number;
};

let loaded: Libc | undefined;

/** Loaded at the first use: the command line never needs it. Node itself has no datagrams over unix sockets. */
function libc(): Libc {
  if (loaded !== undefined) return loaded;
  const library = koffi.load('libc.so.6');
  loaded = {
    socket: library.func('int socket(int, int, int)'),
    sendto: library.func('long sendto(int, const uint8_t *, size_t, int, const uint8_t *, uint32_t)'),
    close: library.func('int close(int)'),
  };
  return loaded;
}

/**
 * Tells systemd about the service. Answers whether the message was handed over; false when the process was
 * not started by systemd, or the socket of NOTIFY_SOCKET cannot be reached. That is no reason to stop: systemd's
 * own time limit decides.
 */
export function notifySystemd(state: SystemdState, environment: NodeJS.ProcessEnv = process.env): boolean {
  const address = socketAddress(environment['NOTIFY_SOCKET']);
  if (address === undefined) return false;
  const { socket, sendto, close } = libc();
  const fd = socket(afUnix, datagram, 0);
  if (fd < 0) return false;

  // A line break would begin another assignment.
  const message = Buffer.from(state.replace(/[\0\r\n]/g, ' '));
  const sent = Number(sendto(fd, message, message.length, noSignal, address, address.length));
  close(fd);
  return sent === message.length;
}

/**
 * How often `WATCHDOG=1` is to be sent, milliseconds: half of what systemd allows. undefined when there is no
 * watchdog, or it is meant for another process.
 */
export function watchdogIntervalMs(environment: NodeJS.ProcessEnv = process.env): number | undefined {
  const microseconds = Number(environment['WATCHDOG_USEC']);
  if (!Number.isFinite(microseconds) || microseconds <= 0) return undefined;
  const pid = environment['WATCHDOG_PID'];
  if (pid !== undefined && pid !== String(process.pid)) return undefined;
  return Math.max(1, Math.floor(microseconds / 2000));
}

/** A sockaddr_un. `@` begins an abstract name; other kinds of sockets (vsock) are not ours to serve. */
function socketAddress(name: string | undefined): Buffer | undefined {
  if (name === undefined || !/^[/@]./.test(name)) return undefined;
  const path = Buffer.from(name);
  if (path[0] === 0x40) path[0] = 0;
  // A path needs its NUL; an abstract name ends where the length says.
  const end = name.startsWith('/') ? Buffer.from([0]) : Buffer.alloc(0);
  if (path.length + end.length > maxAddressBytes) return undefined;
  const family = Buffer.alloc(2);
  new Uint16Array(family.buffer, family.byteOffset, 1)[0] = afUnix;
  return Buffer.concat([family, path, end]);
}
