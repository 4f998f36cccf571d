// Usage: bare-receiver.ts FOLDER. Replaces each file that comes, durably, and answers one byte. See bare.ts.
import { closeSync, fchmodSync, fsyncSync, futimesSync, openSync, renameSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { basename, dirname, join } from 'node:path';

const [folder = ''] = process.argv.slice(2);
const headBytes = 20;

function place(path: string, content: Buffer, mode: number, mtimeMs: number): void {
  const temporary = join(dirname(path), `.${basename(path)}.bare~`);
  const file = openSync(temporary, 'wx', 0o600);
  writeSync(file, content);
  fchmodSync(file, mode);
  futimesSync(file, mtimeMs / 1000, mtimeMs / 1000);
  fsyncSync(file);
  closeSync(file);
  renameSync(temporary, path);
  const directory = openSync(dirname(path), 'r');
  fsyncSync(directory);
  closeSync(directory);
}

const server = createServer((socket) => {
  socket.setNoDelay(true);
  let held: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    while (held.length >= headBytes) {
      const nameEnd = headBytes + held.readUInt32BE(0);
      const end = nameEnd + held.readUInt32BE(4);
      if (held.length < end) return;
      const path = join(folder, held.toString('utf8', headBytes, nameEnd));
      place(path, held.subarray(nameEnd, end), held.readUInt32BE(8), held.readDoubleBE(12));
      socket.write('.');
      held = held.subarray(end);
    }
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') process.stdout.write(`port ${address.port}\n`);
});
