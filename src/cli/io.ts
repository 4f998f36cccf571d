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
    out: (text) => void stdout.write(harmless(text)),
    // Node opens a stream when it is first asked for, which takes longer than to write a line.
    err: (text) => void process.stderr.write(harmless(text)),
    colour: stdout.isTTY === true && !plain,
    ...(stdout.isTTY === true ? { columns: stdout.columns } : {}),
    get interactive() {
      return stdout.isTTY === true && process.stdin.isTTY === true;
    },
  };
}

/**
 * The last net under what is printed: what a terminal would obey and no line of ours holds becomes an escape. In JSON, which
 * may hold it, the escape means the same. Our own colours begin with an escape character, so that passes.
 */
function harmless(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
    /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
