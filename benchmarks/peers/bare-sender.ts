// Usage: bare-sender.ts ROOT PORT ACKS. Sends everything in ROOT/etc that an event tells of, and notes each
// answer in the file ACKS. See bare.ts.
import {
  closeSync,
  type FSWatcher,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  watch,
  writeSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join, relative } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';

const [root = '', port = '', acks = ''] = process.argv.slice(2);
const notes = openSync(acks, 'a', 0o600);
const unanswered: string[] = [];
const socket = connect(Number(port), '127.0.0.1');
socket.setNoDelay(true);
// One byte answers one change.
socket.on('data', (answers: Buffer) => {
  const at = process.hrtime.bigint();
  const names = unanswered.splice(0, answers.length);
  writeSync(notes, names.map((name) => `${at} acked /${name}\n`).join(''));
});

/** The directories that are watched, and the names that were seen in each. */
const watched = new Map<string, { readonly watcher: FSWatcher; readonly names: Set<string> }>();
const nothing = Buffer.alloc(0);

function send(path: string, what: { mode: number; mtimeMs: number; content: Buffer }): void {
  const name = Buffer.from(relative(root, path));
  unanswered.push(name.toString('utf8'));
  const head = Buffer.alloc(20);
  head.writeUInt32BE(name.length, 0);
  head.writeUInt32BE(what.content.length, 4);
  head.writeUInt32BE(what.mode, 8);
  head.writeDoubleBE(what.mtimeMs, 12);
  socket.write(Buffer.concat([head, name, what.content]));
}

/** Sends what is there, with all that is below a directory. */
async function look(directory: string, name: string): Promise<void> {
  const path = join(directory, name);
  const fd = openIfThere(path);
  if (fd === undefined) {
    remove(directory, name);
    return;
  }
  watched.get(directory)?.names.add(name);
  const { mode, mtimeMs } = fstatSync(fd);
  const isFile = (mode & 0o170000) === 0o100000;
  const content = isFile ? readFileSync(fd) : nothing;
  closeSync(fd);
  if (!isFile && watched.has(path)) return;
  send(path, { mode, mtimeMs, content });
  if (!isFile) await watchBelow(path, look);
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Sends that it is gone, what was below it first. Nothing where that was sent already. */
function remove(directory: string, name: string): void {
  if (watched.get(directory)?.names.delete(name) !== true) return;
  const path = join(directory, name);
  const gone = watched.get(path);
  if (gone !== undefined) {
    gone.watcher.close();
    for (const child of gone.names) remove(path, child);
    watched.delete(path);
  }
  send(path, { mode: 0, mtimeMs: 0, content: nothing });
}

async function watchBelow(directory: string, each: (directory: string, name: string) => Promise<void>) {
  const watcher = watch(directory, (_event, name) => {
    if (name !== null) void look(directory, name);
  });
  watched.set(directory, { watcher, names: new Set() });
  for (const name of readdirSync(directory)) await each(directory, name);
  // What was written leaves while the next directory is read.
  await turn();
}

/** What is there at the start is not sent. */
async function note(directory: string, name: string): Promise<void> {
  const path = join(directory, name);
  watched.get(directory)?.names.add(name);
  const fd = openSync(path, 'r');
  const isDirectory = fstatSync(fd).isDirectory();
  closeSync(fd);
  if (isDirectory) await watchBelow(path, note);
}

socket.once('connect', async () => {
  await watchBelow(join(root, 'etc'), note);
  process.stdout.write('ready\n');
});
