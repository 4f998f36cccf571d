/** Characters that are gathered at most. */
const mostGathered = 64 * 1024;

export type Line<Level> = { readonly level: Level; readonly message: string };

/** Whoever tells that the process ends. */
type Ending = { on(event: 'exit', listener: () => void): unknown };

/**
 * Stands before a log: of the lines of one turn of the event loop the first is logged at once, and all others of one level at
 * the end of the turn, as one message. A tree that is renamed is thousands of lines, and each by itself, with a system call, is
 * a tenth of what the active node does then. What comes while the process ends is logged before it has ended; only a kill
 * loses lines of its last turn.
 */
export function gathered<Level>(
  log: (line: Line<Level>) => void,
  ending: Ending,
): (line: Line<Level>) => void {
  let waiting: Line<Level> | undefined;
  let inTurn = false;
  const flush = (): void => {
    const line = waiting;
    waiting = undefined;
    if (line !== undefined) log(line);
  };
  const endTurn = (): void => {
    inTurn = false;
    flush();
  };
  ending.on('exit', endTurn);
  return (line) => {
    if (!inTurn) {
      inTurn = true;
      setImmediate(endTurn);
      return log(line);
    }
    if (waiting !== undefined && waiting.level !== line.level) flush();
    const message = waiting === undefined ? line.message : `${waiting.message}\n${line.message}`;
    waiting = { level: line.level, message };
    if (message.length >= mostGathered) flush();
  };
}
