import { Duplex, type Readable, type Writable } from 'node:stream';

/** One duplex stream over standard input and output. Destroying it ends both. */
export function duplexOf(readable: Readable, writable: Writable): Duplex {
  const duplex = new Duplex({
    read: () => void readable.resume(),
    write: (chunk: Buffer, _encoding, done) => {
      if (writable.write(chunk)) done();
      else writable.once('drain', () => done());
    },
    writev: (chunks, done) => {
      const whole = Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer));
      if (writable.write(whole)) done();
      else writable.once('drain', () => done());
    },
    final: (done) => void writable.end(() => done()),
    destroy: (error, done) => {
      readable.destroy();
      writable.end();
      done(error);
    },
  });
  readable.on('data', (chunk: Buffer) => {
    if (!duplex.push(chunk)) readable.pause();
  });
  readable.on('end', () => duplex.push(null));
  readable.on('error', (error) => duplex.destroy(error));
  writable.on('error', (error) => duplex.destroy(error));
  return duplex;
}
