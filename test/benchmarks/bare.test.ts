import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../files/fixture.ts';
import { checkout } from '../rig/program.ts';

/** As bare-sender.ts sends a file. */
function change(name: string, content: string): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt32BE(Buffer.byteLength(name), 0);
  head.writeUInt32BE(Buffer.byteLength(content), 4);
  head.writeUInt32BE(0o100644, 8);
  head.writeDoubleBE(1000, 12);
  return Buffer.concat([head, Buffer.from(name), Buffer.from(content)]);
}

test('the limit places a file that comes twice at once, as one that is written in place does', async () => {
  using folder = temporaryFolder();
  const program = join(checkout, 'benchmarks', 'peers', 'bare-receiver.ts');
  const receiver = spawn(process.execPath, [program, folder.path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(receiver, 'exit');
  try {
    const [line] = await once(receiver.stdout.setEncoding('utf8'), 'data');
    const socket = connect(Number(/^port (\d+)/.exec(String(line))?.[1]), '127.0.0.1');
    socket.write(Buffer.concat([change('file', ''), change('file', 'content'), change('other', 'more')]));
    let answers = '';
    const closed = once(socket, 'close');
    socket.setEncoding('utf8').on('data', (text: string) => {
      answers += text;
      if (answers.length >= 3) socket.end();
    });
    await Promise.race([closed, exited]);
    assert.equal(answers, '...');
    assert.deepEqual(readdirSync(folder.path).sort(), ['file', 'other']);
    assert.equal(readFileSync(join(folder.path, 'file'), 'utf8'), 'content');
  } finally {
    receiver.kill();
    await exited;
  }
});
