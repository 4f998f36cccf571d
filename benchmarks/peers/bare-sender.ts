// Usage: bare-sender.ts FOLDER PORT. Sends every file that an event tells of. See bare.ts.
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, watch } from 'node:fs';
import { connect } from 'node:net';
import { join, relative } from 'node:path';

const [folder = '', port = ''] = process.argv.slice(2);
const socket = connect(Number(port), '127.0.0.1');
socket.setNoDelay(true);
socket.resume();

function send(path: string): void {
  const fd = openSync(path, 'r');
  const { mode, mtimeMs } = fstatSync(fd);
  const content = readFileSync(fd);
  closeSync(fd);
  const name = Buffer.from(relative(folder, path));
  const head = Buffer.alloc(20);
  head.writeUInt32BE(name.length, 0);
  head.writeUInt32BE(content.length, 4);
  head.writeUInt32BE(mode & 0o7777, 8);
  head.writeDoubleBE(mtimeMs, 12);
  socket.write(Buffer.concat([head, name, content]));
}

function watchBelow(directory: string): void {
  watch(directory, (_event, name) => {
    if (name !== null) send(join(directory, name));
  });
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) watchBelow(join(directory, entry.name));
  }
}

socket.once('connect', () => {
  watchBelow(folder);
  process.stdout.write('ready\n');
});
