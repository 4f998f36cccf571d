/** The alternate screen of a terminal: what was there before comes back when it is left. */

const enter = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const leave = '\u001b[?7h\u001b[?25h\u001b[?1049l';
/** Terminals that know it show what is between at once, see the synchronized output mode. */
const together = ['\u001b[?2026h', '\u001b[?2026l'] as const;
const home = '\u001b[H';
const restOfLine = '\u001b[K';
const restOfScreen = '\u001b[J';

/** q, Q, and Ctrl-C and Ctrl-D, which come as bytes while the terminal is raw. */
const quitting: ReadonlySet<number> = new Set([0x71, 0x51, 0x03, 0x04]);

const signals = ['SIGTERM', 'SIGHUP', 'SIGINT'] as const;

export type Screen = Disposable & {
  /** Replaces the picture without clearing it first, so that nothing flickers. */
  draw(lines: readonly string[]): void;
  size(): { readonly columns: number; readonly rows: number };
  /** Whether keys are heard. */
  readonly keys: boolean;
};

/**
 * Takes the terminal. `onQuit` is called for q, Ctrl-C, the end of input and SIGTERM, SIGHUP and SIGINT; `onResize`
 * when the terminal changes its size. Disposing of it restores the terminal, and so does the end of the process.
 */
export function openScreen(on: { readonly onQuit: () => void; readonly onResize: () => void }): Screen {
  const { stdin, stdout } = process;
  const keys = stdin.isTTY === true;
  let open = true;
  const restore = (): void => {
    if (!open) return;
    open = false;
    stdout.write(leave);
    if (keys) stdin.setRawMode(false);
  };
  const onKey = (key: Buffer): void => {
    if (key.some((byte) => quitting.has(byte))) on.onQuit();
  };
  for (const signal of signals) process.on(signal, on.onQuit);
  process.once('exit', restore);
  // A terminal that is gone takes nothing any more.
  stdout.on('error', on.onQuit);
  stdout.on('resize', on.onResize);
  if (keys) {
    stdin.setRawMode(true);
    stdin.on('data', onKey);
    stdin.on('end', on.onQuit);
    stdin.on('error', on.onQuit);
  }
  stdout.write(enter);
  return {
    keys,
    // The last column stays free: behind a letter there, the cursor does not move on, and what clears the rest of the
    // line would clear the letter.
    size: () => ({ columns: (stdout.columns || 80) - 1, rows: stdout.rows || 24 }),
    draw: (lines) => {
      if (!open) return;
      const [begin, end] = together;
      stdout.write(
        `${begin}${home}${lines.map((line) => `${line}${restOfLine}`).join('\r\n')}${restOfScreen}${end}`,
      );
    },
    [Symbol.dispose]: () => {
      restore();
      process.removeListener('exit', restore);
      for (const signal of signals) process.removeListener(signal, on.onQuit);
      stdout.removeListener('resize', on.onResize);
      if (!keys) return;
      stdin.removeListener('data', onKey);
      // A paused terminal does not keep the process.
      stdin.pause();
    },
  };
}
