// Usage: bare-sender.ts ROOT PORT ACKS. Sends every file of ROOT/etc that an event tells of, and notes each
// answer in the file ACKS. See bare.ts.
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, watch, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { join, relative } from 'node:path';

const [root = '', port = '', acks = ''] = process.argv.slice(2);
const notes = openSync(acks, 'a', 0o600);
const unanswered: string[] = [];
const socket = connect(Number(port), '127.0.0.1');
socket.setNoDelay(true);
// One byte answers one file.
socket.on('data', (answers: Buffer) => {
  const at = process.hrtime.bigint();
  const names = unanswered.splice(0, answers.length);
  writeSync(notes, names.map((name) => `${at} acked /${name}\n`).join(''));
});

function send(path: string): void {
  const fd = openSync(path, 'r');
  const { mode, mtimeMs } = fstatSync(fd);
  const content = readFileSync(fd);
  closeSync(fd);
  const name = Buffer.from(relative(root, path));
  unanswered.push(name.toString('utf8'));
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
  watchBelow(join(root, 'etc'));
  process.stdout.write('ready\n');
});
