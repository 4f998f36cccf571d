import { Writable } from 'node:stream';

/** Characters that are gathered at most. */
const mostGathered = 64 * 1024;

/** Whoever tells that the process ends. */
type Ending = { on(event: 'exit', listener: () => void): unknown };

/**
 * A stream before another one: what is written in one turn of the event loop leaves in two writes, the first line at once
 * and all others at the end of the turn. A tree that is renamed is thousands of lines, and a system call for each is a
 * tenth of what the active node does then. What is written while the process ends leaves before it has ended; only a kill
 * loses lines of its last turn.
 */
export function gathered(stream: NodeJS.WritableStream, ending: Ending): Writable {
  let waiting = '';
  let inTurn = false;
  const flush = (): void => {
    inTurn = false;
    const text = waiting;
    waiting = '';
    if (text !== '') stream.write(text);
  };
  ending.on('exit', flush);
  // A line that nobody can take, as on a full disk, must not stop replication; there is no place to say so.
  stream.on('error', () => undefined);
  return new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      waiting += String(chunk);
      const isFirst = !inTurn;
      if (isFirst || waiting.length >= mostGathered) flush();
      if (isFirst) setImmediate(flush);
      inTurn = true;
      done();
    },
  });
}
