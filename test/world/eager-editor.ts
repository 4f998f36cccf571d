import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { renameExchange } from '../../src/files/native.ts';

/**
 * An editor that saves the same files almost as fast as it can, by turns by rename and in place, until its
 * standard input ends. Each content is unique. It logs what each save put there and exactly what that save itself did
 * away with: by an exchange of names, or by reading the very file that it then writes.
 * Arguments: the log, then the files.
 */
const [log = '', ...files] = process.argv.slice(2);
const journal = openSync(log, 'a');
let stopping = false;
process.stdin.on('end', () => {
  stopping = true;
});
process.stdin.resume();

let saves = 0;
function save(): void {
  for (const file of files) {
    saves += 1;
    const content = `editor ${saves} ${file}\n`;
    const displaced = saves % 3 === 0 ? inPlace(file, content) : byExchange(file, content);
    writeSync(journal, `${JSON.stringify({ file, content, displaced })}\n`);
  }
  if (stopping) {
    appendFileSync(log, '');
    process.exit(0);
  }
  // Now and then there is a moment in which a push can get through.
  if (saves % 4 === 0) setTimeout(save, saves % 7);
  else setImmediate(save);
}

function byExchange(file: string, content: string): string {
  const beside = `${file}.edit~`;
  writeFileSync(beside, content);
  const exchanged = renameExchange(beside, file);
  if (!exchanged.ok) throw new Error(`the exchange failed: ${exchanged.code}`);
  const displaced = readFileSync(beside, 'utf8');
  unlinkSync(beside);
  return displaced;
}

function inPlace(file: string, content: string): string {
  const fd = openSync(file, 'r+');
  const displaced = readFileSync(fd, 'utf8');
  ftruncateSync(fd, 0);
  writeSync(fd, content, 0);
  closeSync(fd);
  return displaced;
}

process.stdout.write('ready\n');
save();
