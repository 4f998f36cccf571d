/** What a command may touch of the terminal; given, so that tests can look at it. */
export type Io = {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Whether standard output is a terminal that wants colour. */
  readonly colour: boolean;
  /** Whether somebody sits there and can be asked or shown progress. */
  readonly interactive: boolean;
  /** How wide the terminal is; undefined where standard output is none. */
  readonly columns?: number;
};

/** The process's own terminal. `NO_COLOR` and `TERM=dumb` turn colour off. */
export function processIo(): Io {
  const { env, stdout } = process;
  const plain = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  return {
    out: (text) => void stdout.write(text),
    // Node opens a stream when it is first asked for, which takes longer than to write a line.
    err: (text) => void process.stderr.write(text),
    colour: stdout.isTTY === true && !plain,
    ...(stdout.isTTY === true ? { columns: stdout.columns } : {}),
    get interactive() {
      return stdout.isTTY === true && process.stdin.isTTY === true;
    },
  };
}
