import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Duplex, duplexPair } from 'node:stream';
import { describe, it } from 'node:test';
import { Connection, type ConnectionEnd, type Received } from '../../src/wire/connection.ts';
import { FrameDecoder, maxBodyBytes, maxFrameBytes, preamble } from '../../src/wire/frame.ts';
import type { Parsed } from '../../src/wire/message.ts';
import { encodeFrame } from '../rig/frames.ts';

type Note = { readonly n: number };

function parseNote(header: unknown): Parsed<Note> {
  if (typeof header === 'object' && header !== null && 'n' in header && typeof header.n === 'number') {
    return { ok: true, message: { n: header.n } };
  }
  return { ok: false, detail: 'expected a note' };
}

/** Lets all that is ready happen, several turns of the event loop. Nothing is timed. */
async function turns(count = 10): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** A connection with what it received, chunk by chunk (bodies as text), and a promise for the next chunk. */
function connect(stream: Duplex) {
  const chunks: [number, string][][] = [];
  let wake: () => void = () => undefined;
  const connection = new Connection<Note, Note>({
    stream,
    parse: parseNote,
    onMessages: (messages: Received<Note>[]) => {
      chunks.push(messages.map(({ message, body }) => [message.n, body.toString('latin1')]));
      wake();
    },
  });
  async function received(count: number): Promise<[number, string][]> {
    while (chunks.flat().length < count) {
      const next = new Promise<void>((resolve) => {
        wake = resolve;
      });
      await Promise.race([next, connection.ended.then((end) => failUnlessThere(end))]);
    }
    return chunks.flat();
    function failUnlessThere(end: ConnectionEnd): void {
      if (chunks.flat().length < count) assert.fail(`${end.kind} (${end.detail}) before ${count} messages`);
    }
  }
  return { connection, chunks, received };
}

/** A connection on one side, and the bare stream on the other. */
function half() {
  const [stream, peer] = duplexPair();
  return { ...connect(stream), stream, peer };
}

/** A stream that remembers each write that reaches it, one entry a system call. */
function recorder(): { stream: Duplex; writes: Buffer[] } {
  const writes: Buffer[] = [];
  const stream = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      writes.push(chunk);
      done();
    },
    writev: (parts, done) => {
      writes.push(Buffer.concat(parts.map(({ chunk }) => chunk as Buffer)));
      done();
    },
  });
  return { stream, writes };
}

/** Reads a stream to its end and gives the numbers and bodies in it. */
async function readNotes(peer: Duplex): Promise<{ notes: number[]; bodyBytes: number }> {
  const decoder = new FrameDecoder();
  const notes: number[] = [];
  let bodyBytes = 0;
  for await (const chunk of peer) {
    const { frames, fault } = decoder.decode(chunk as Buffer);
    assert.equal(fault, undefined);
    for (const { header, body } of frames) {
      notes.push((header as Note).n);
      bodyBytes += body.byteLength;
    }
  }
  assert.equal(decoder.end(), undefined);
  return { notes, bodyBytes };
}

function notes(...numbers: number[]): Buffer {
  return Buffer.concat(numbers.map((n) => encodeFrame({ n })));
}

describe('messages', () => {
  it('arrive in order with their bodies, in both directions', async () => {
    const [one, other] = duplexPair();
    const [here, there] = [connect(one), connect(other)];
    here.connection.send({ n: 1 }, Buffer.from('content'));
    here.connection.send({ n: 2 });
    there.connection.send({ n: 3 }, new Uint8Array([255, 0]));
    assert.deepEqual(await there.received(2), [
      [1, 'content'],
      [2, ''],
    ]);
    assert.deepEqual(await here.received(1), [[3, '\xff\0']]);
  });

  it('with large bodies arrive in order too, and their memory may be used again once it was taken', async () => {
    const [one, other] = duplexPair();
    const [here, there] = [connect(one), connect(other)];
    const body = Buffer.alloc(maxBodyBytes);
    here.connection.send({ n: 0 }, Buffer.from('small'));
    for (let n = 1; n < 6; n += 1) {
      body.fill(String(n));
      await here.connection.sendLarge({ n }, body);
    }
    body.fill('x');
    const small = Buffer.from('small');
    await here.connection.sendLarge({ n: 6 }, small);
    small.fill('x');
    here.connection.send({ n: 7 });
    const large = [1, 2, 3, 4, 5].map((n) => [n, String(n).repeat(maxBodyBytes)]);
    assert.deepEqual(await there.received(8), [[0, 'small'], ...large, [6, 'small'], [7, '']]);
  });

  it('leave with the turn, also where the stream keeps what it is given: then their memory may be used again', async () => {
    const { stream, writes } = recorder();
    const { connection } = connect(stream);
    const body = Buffer.from('body');
    connection.send({ n: 1 }, body);
    await turns();
    body.fill('x');
    assert.deepEqual(writes[1], encodeFrame({ n: 1 }, Buffer.from('body')));
  });

  it('keep nobody waiting whose large body was not taken when the stream closed without a word', async () => {
    const stream = new Duplex({ read: () => undefined, write: () => undefined });
    const { connection } = connect(stream);
    const sent = connection.sendLarge({ n: 1 }, Buffer.alloc(maxBodyBytes));
    stream.destroy();
    await sent;
    await connection.sendLarge({ n: 2 }, Buffer.alloc(maxBodyBytes));
    assert.equal(connection.open, false);
  });

  it('of one turn leave in one write, those of the next turn in another', async () => {
    const { stream, writes } = recorder();
    const { connection } = connect(stream);
    for (let n = 0; n < 100; n += 1) connection.send({ n }, Buffer.alloc(10));
    await turns();
    for (let n = 100; n < 200; n += 1) connection.send({ n });
    await turns();
    assert.equal(writes.length, 3);
    assert.deepEqual(writes[0], preamble);
    const sent = writes.slice(1).map((write) => {
      const decoder = new FrameDecoder();
      decoder.decode(preamble);
      return decoder.decode(write).frames.map(({ header }) => (header as Note).n);
    });
    assert.deepEqual(
      sent.map((numbers) => [numbers[0], numbers.at(-1), numbers.length]),
      [
        [0, 99, 100],
        [100, 199, 100],
      ],
    );
  });

  it('that one chunk completes come in one call', async () => {
    const { peer, received, chunks } = half();
    peer.write(Buffer.concat([preamble, notes(1, 2), notes(3).subarray(0, 9)]));
    await received(2);
    peer.write(Buffer.concat([notes(3).subarray(9), notes(4)]));
    await received(4);
    assert.deepEqual(
      chunks.map((chunk) => chunk.map(([n]) => n)),
      [
        [1, 2],
        [3, 4],
      ],
    );
  });

  it('arrive when they come one byte at a time', async () => {
    const { peer, received } = half();
    for (const byte of Buffer.concat([preamble, notes(1, 2, 3)])) peer.write(Buffer.from([byte]));
    assert.deepEqual(
      (await received(3)).map(([n]) => n),
      [1, 2, 3],
    );
  });

  it('that are too large are a mistake of the caller, and leave the connection as it is', async () => {
    const [one, other] = duplexPair();
    const [here, there] = [connect(one), connect(other)];
    assert.throws(() => here.connection.send({ n: 1 }, Buffer.alloc(maxBodyBytes + 1)), RangeError);
    here.connection.send({ n: 2 });
    assert.deepEqual(await there.received(1), [[2, '']]);
  });

  it('are begun by the preamble, before anything is sent', async () => {
    const { peer } = half();
    const [first] = await once(peer, 'data');
    assert.deepEqual(first, preamble);
  });
});

describe('writable', () => {
  /** Sends until the stream asks to wait; the peer reads nothing yet. */
  async function filled() {
    const pair = half();
    await turns();
    for (let n = 0; n < 4; n += 1) pair.connection.send({ n }, Buffer.alloc(maxBodyBytes));
    await turns();
    assert.equal(pair.stream.writableNeedDrain, true);
    let resolved = 0;
    const waits = [pair.connection.writable(), pair.connection.writable()].map((wait) =>
      wait.then(() => {
        resolved += 1;
      }),
    );
    await turns();
    assert.equal(resolved, 0, 'it waits while nothing is read');
    return { ...pair, waits };
  }

  it('resolves at once when nothing piles up', async () => {
    const [one, other] = duplexPair();
    const { connection } = connect(one);
    connect(other);
    connection.send({ n: 1 });
    await turns();
    await connection.writable();
  });

  it('waits while the peer does not read, and goes on when it does, for all who wait', async () => {
    const { peer, waits } = await filled();
    peer.resume();
    await Promise.all(waits);
  });

  it('waits again when it piles up again', async () => {
    const { connection, stream, peer, waits } = await filled();
    peer.resume();
    await Promise.all(waits);
    peer.pause();
    for (let n = 0; n < 4; n += 1) connection.send({ n }, Buffer.alloc(maxBodyBytes));
    await turns();
    assert.equal(stream.writableNeedDrain, true);
    let resolved = false;
    const wait = connection.writable().then(() => {
      resolved = true;
    });
    await turns();
    assert.equal(resolved, false);
    peer.resume();
    await wait;
  });

  it('goes on when the connection is destroyed, and is no wait from then on', async () => {
    const { connection, waits } = await filled();
    connection.destroy('the peer hangs');
    await Promise.all(waits);
    await connection.writable();
  });

  it('bounds what piles up in memory, for a sender that asks each time', async () => {
    const [one, other] = duplexPair();
    const { connection } = connect(one);
    const reading = readNotes(other);
    let longest = 0;
    for (let n = 0; n < 100; n += 1) {
      connection.send({ n }, Buffer.alloc(maxBodyBytes));
      longest = Math.max(longest, one.writableLength);
      await connection.writable();
    }
    connection.close();
    assert.deepEqual(await reading, {
      notes: Array.from({ length: 100 }, (_, n) => n),
      bodyBytes: 100 * maxBodyBytes,
    });
    assert.ok(longest < 3 * maxBodyBytes, `${longest} bytes piled up`);
  });
});

describe('a fault', () => {
  const badLength = Buffer.alloc(8);
  badLength.writeUInt32LE(maxFrameBytes + 1, 0);
  const table: [string, Buffer, RegExp, number[]][] = [
    ['a login banner', Buffer.from('Welcome to mail2!\r\n'), /not-our-protocol.*Welcome to mail2!/, []],
    ['a frame that is too large', Buffer.concat([preamble, notes(1), badLength]), /frame-too-large/, [1]],
    ['a header that is not JSON', Buffer.concat([preamble, notes(1), notBraced()]), /header-not-json/, [1]],
    [
      'a message that is not of the protocol',
      Buffer.concat([preamble, notes(1, 2), encodeFrame({ other: 1 }), notes(3)]),
      /not of the protocol \(expected a note\)/,
      [1, 2],
    ],
  ];
  for (const [sentence, bytes, detail, before] of table) {
    it(`destroys and reports, after what came before it: ${sentence}`, async () => {
      const { connection, stream, peer, chunks } = half();
      peer.write(bytes);
      const end = await connection.ended;
      assert.equal(end.kind, 'broken');
      assert.match(end.detail, detail);
      assert.equal(connection.open, false);
      assert.equal(stream.destroyed, true);
      assert.deepEqual(
        chunks.flat().map(([n]) => n),
        before,
      );
      peer.write(notes(4));
      await turns();
      assert.equal(chunks.flat().length, before.length, 'nothing is delivered after it');
    });
  }

  function notBraced(): Buffer {
    const frame = encodeFrame({ n: 1 });
    frame[8] = 0x21;
    return frame;
  }
});

describe('the end', () => {
  const table: [string, (pair: ReturnType<typeof half>) => void, ConnectionEnd['kind'], RegExp][] = [
    [
      'by the peer between messages',
      ({ peer }) => peer.end(Buffer.concat([preamble, notes(1)])),
      'ended',
      /the peer/,
    ],
    [
      'by the peer in the middle of a message',
      ({ peer }) => peer.end(cutShort()),
      'broken',
      /truncated.*9 bytes/,
    ],
    ['by the peer before it said anything', ({ peer }) => peer.end(), 'broken', /not-our-protocol/],
    ['by close', ({ connection }) => connection.close(), 'closed-here', /./],
    ['by destroy', ({ connection }) => connection.destroy('the peer hangs'), 'broken', /^the peer hangs$/],
    ['by an error', ({ stream }) => stream.destroy(new Error('ECONNRESET')), 'broken', /^ECONNRESET$/],
    ['by a stream that closes without a word', ({ stream }) => stream.destroy(), 'ended', /./],
  ];
  for (const [sentence, finish, kind, detail] of table) {
    it(`${sentence} is ${kind}, and stays the only one`, async () => {
      const pair = half();
      assert.equal(pair.connection.open, true);
      finish(pair);
      const end = await pair.connection.ended;
      assert.equal(end.kind, kind);
      assert.match(end.detail, detail);
      assert.equal(pair.connection.open, false);

      pair.connection.close();
      pair.connection.destroy('later');
      pair.stream.emit('error', new Error('later still'));
      await turns();
      assert.equal(await pair.connection.ended, end);
    });
  }

  function cutShort(): Buffer {
    return Buffer.concat([preamble, notes(1), notes(2).subarray(0, 9)]);
  }

  it('errors that come again and after the end do no harm', async () => {
    const { connection, stream } = half();
    stream.emit('error', new Error('first'));
    stream.emit('error', new Error('second'));
    assert.deepEqual(await connection.ended, { kind: 'broken', detail: 'first' });
    stream.emit('error', new Error('third'));
  });

  it('after it, sending is ignored', async () => {
    const { stream, writes } = recorder();
    const { connection } = connect(stream);
    await turns();
    connection.close();
    connection.send({ n: 1 });
    connection.send({ n: 2 }, Buffer.alloc(maxBodyBytes + 1));
    await turns();
    assert.deepEqual(writes, [preamble]);
  });

  it('after close, nothing more is delivered here', async () => {
    const { connection, peer, chunks } = half();
    connection.close();
    peer.write(Buffer.concat([preamble, notes(1)]));
    await turns();
    assert.deepEqual(chunks, []);
  });
});

describe('close', () => {
  it('still delivers what was sent in the same turn', async () => {
    const { connection, peer } = half();
    for (let n = 0; n < 50; n += 1) connection.send({ n });
    connection.close();
    assert.deepEqual(await readNotes(peer), { notes: Array.from({ length: 50 }, (_, n) => n), bodyBytes: 0 });
  });

  it('still delivers what had piled up, though the peer reads later', async () => {
    const { connection, peer } = half();
    for (let n = 0; n < 8; n += 1) connection.send({ n }, Buffer.alloc(maxBodyBytes));
    await turns();
    connection.close();
    await connection.ended;
    await turns();
    assert.deepEqual(await readNotes(peer), { notes: [0, 1, 2, 3, 4, 5, 6, 7], bodyBytes: 8 * maxBodyBytes });
  });

  it('is seen by the other side as an end, after the last message', async () => {
    const [one, other] = duplexPair();
    const [here, there] = [connect(one), connect(other)];
    here.connection.send({ n: 1 });
    here.connection.close();
    assert.equal((await there.connection.ended).kind, 'ended');
    assert.deepEqual(there.chunks.flat(), [[1, '']]);
  });

  it('from within the delivery of messages still sends the answer to them', async () => {
    const [one, other] = duplexPair();
    const there = connect(other);
    const answering: Connection<Note, Note> = new Connection({
      stream: one,
      parse: parseNote,
      onMessages: () => {
        answering.send({ n: 2 });
        answering.close();
      },
    });
    there.connection.send({ n: 1 });
    assert.deepEqual(await there.received(1), [[2, '']]);
    assert.equal((await answering.ended).kind, 'closed-here');
  });
});

it('many waits on a connection that lives on do not pile up listeners on the stream', async () => {
  const [one, other] = duplexPair();
  const { connection } = connect(one);
  other.resume();
  for (let n = 0; n < 50; n += 1) {
    connection.send({ n }, Buffer.alloc(maxBodyBytes));
    await turns(1);
    await connection.writable();
  }
  assert.ok(one.listenerCount('drain') <= 1);
});
