// Usage: bare-receiver.ts FOLDER. Does each change that comes, durably, and answers one byte. See bare.ts.
import * as fs from 'node:fs';
import { createServer } from 'node:net';
import { basename, dirname, join } from 'node:path';
import koffi from 'koffi';

const [folder = ''] = process.argv.slice(2);
const headBytes = 20;
/** Many changes are made durable together, once nothing came for so long or there are so many. */
const quietMs = 2;
const most = 4096;
const syncfs = koffi.load('libc.so.6').func('int syncfs(int)') as (fd: number) => number;

/** Of what was written so far: a file that comes twice at once is two. */
let count = 0;

/** `mode` as stat(2) tells it; 0 where the name is gone. */
type Change = {
  readonly path: string;
  readonly content: Buffer;
  readonly mode: number;
  readonly mtimeMs: number;
};

/** All but the last step, which is left to be done when what it places is durable. */
function prepare(change: Change, sync: (fd: number) => void): () => void {
  const { path, content, mode, mtimeMs } = change;
  const kind = mode & fs.constants.S_IFMT;
  if (kind === 0) return () => (fs.lstatSync(path).isDirectory() ? fs.rmdirSync(path) : fs.unlinkSync(path));
  if (kind === fs.constants.S_IFDIR) {
    fs.mkdirSync(path, { recursive: true });
    return () => fs.chmodSync(path, mode & 0o7777);
  }
  count += 1;
  const temporary = join(dirname(path), `.${basename(path)}.bare${count}~`);
  const file = fs.openSync(temporary, 'w', 0o600);
  fs.writeSync(file, content);
  fs.fchmodSync(file, mode & 0o7777);
  fs.futimesSync(file, mtimeMs / 1000, mtimeMs / 1000);
  sync(file);
  fs.closeSync(file);
  return () => fs.renameSync(temporary, path);
}

function opened(path: string, step: (fd: number) => void): void {
  const fd = fs.openSync(path, 'r');
  step(fd);
  fs.closeSync(fd);
}

function syncAll(): void {
  opened(folder, (fd) => {
    if (syncfs(fd) !== 0) throw new Error('syncfs failed');
  });
}

function placeOne(change: Change): void {
  prepare(change, fs.fsyncSync)();
  opened(dirname(change.path), fs.fsyncSync);
}

const server = createServer((socket) => {
  socket.setNoDelay(true);
  let held: Buffer = Buffer.alloc(0);
  let lastSteps: (() => void)[] = [];
  let quiet: NodeJS.Timeout | undefined;

  function finish(): void {
    clearTimeout(quiet);
    const steps = lastSteps;
    lastSteps = [];
    if (steps.length === 0) return;
    syncAll();
    for (const step of steps) step();
    syncAll();
    socket.write('.'.repeat(steps.length));
  }

  socket.on('data', (chunk: Buffer) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    const changes: Change[] = [];
    held = held.subarray(decode(held, changes));
    const [only] = changes;
    if (changes.length === 1 && only && lastSteps.length === 0 && held.length === 0) {
      placeOne(only);
      socket.write('.');
      return;
    }
    for (const change of changes) lastSteps.push(prepare(change, () => undefined));
    clearTimeout(quiet);
    if (lastSteps.length >= most) finish();
    else quiet = setTimeout(finish, quietMs);
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') process.stdout.write(`port ${address.port}\n`);
});

/** Adds every change that is whole to `into`, and returns where the rest begins. */
function decode(held: Buffer, into: Change[]): number {
  let at = 0;
  while (held.length - at >= headBytes) {
    const nameEnd = at + headBytes + held.readUInt32BE(at);
    const end = nameEnd + held.readUInt32BE(at + 4);
    if (held.length < end) break;
    into.push({
      path: join(folder, held.toString('utf8', at + headBytes, nameEnd)),
      content: held.subarray(nameEnd, end),
      mode: held.readUInt32BE(at + 8),
      mtimeMs: held.readDoubleBE(at + 12),
    });
    at = end;
  }
  return at;
}
