import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { eventually } from './eventually.ts';

/** A terminal of its own, in a tmux server of its own. */
export class Terminal implements Disposable {
  readonly #socket: string;
  #open = true;

  /** A shell whose prompt is `ready:`. `within`: words that run it somewhere else. `rows`: default 24. */
  constructor(socket: string, options: { readonly within?: readonly string[]; readonly rows?: number } = {}) {
    const { within = [], rows = 24 } = options;
    this.#socket = socket;
    const size = ['-x', '80', '-y', String(rows)];
    const words = ['env', 'LANG=C.UTF-8', 'LC_ALL=C.UTF-8', 'TERM=screen', 'PS1=ready:', 'sh'];
    const shell = [...within, ...words].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
    this.#tmux('-f', '/dev/null', '-u', 'new-session', '-d', '-s', 'one', ...size, shell);
    this.#tmux('set-option', '-g', 'window-size', 'manual');
  }

  #tmux(...words: string[]): string {
    return execFileSync('tmux', ['-S', this.#socket, ...words], { encoding: 'utf8' });
  }

  type(...keys: string[]): void {
    this.#tmux('send-keys', '-t', 'one', ...keys);
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-t', 'one', '-x', String(columns), '-y', String(rows));
  }

  screen(): string {
    return this.#tmux('capture-pane', '-p', '-t', 'one');
  }

  /** Whether the alternate screen is on, and the cursor is shown. */
  modes(): string {
    return this.#tmux(
      'display-message',
      '-p',
      '-t',
      'one',
      '#{alternate_on} #{cursor_flag} #{wrap_flag}',
    ).trim();
  }

  /** The process id of what the shell runs. */
  running(): number {
    const shell = this.#tmux('display-message', '-p', '-t', 'one', '#{pane_pid}').trim();
    return Number(readFileSync(`/proc/${shell}/task/${shell}/children`, 'utf8').trim());
  }

  async shows(expected: RegExp): Promise<string> {
    await eventually(`the screen shows ${expected}`, () => expected.test(this.screen()), {
      detail: () => this.screen(),
      pollMs: 50,
    });
    return this.screen();
  }

  close(): void {
    if (this.#open) this.#tmux('kill-server');
    this.#open = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
