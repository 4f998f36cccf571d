import { execFileSync } from 'node:child_process';
import type { Place } from './pair.ts';

function ip(...words: string[]): void {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Two network namespaces with a cable between them, as two machines have. Needs root. */
export class TwoNetworks {
  readonly #names: readonly [string, string];

  constructor() {
    const own = `bmcs${process.pid}`;
    this.#names = [`${own}a`, `${own}b`];
    for (const name of this.#names) ip('netns', 'add', name);
    const [a, b] = this.#names;
    ip('link', 'add', 'cable', 'netns', a, 'type', 'veth', 'peer', 'name', 'cable', 'netns', b);
    for (const [index, name] of this.#names.entries()) {
      ip('-n', name, 'addr', 'add', `${this.addressOf(index)}/24`, 'dev', 'cable');
      ip('-n', name, 'link', 'set', 'lo', 'up');
      ip('-n', name, 'link', 'set', 'cable', 'up');
    }
  }

  addressOf(index: number): string {
    return `192.0.2.${index + 1}`;
  }

  /** The first or the second one, as a node of a pair. */
  place(index: 0 | 1): Place {
    return { within: ['ip', 'netns', 'exec', this.#names[index]], address: this.addressOf(index) };
  }

  /** Gives the address to one of them, or takes it away. */
  setAddress(index: 0 | 1, address: string, has: boolean): void {
    ip('-n', this.#names[index], 'addr', has ? 'add' : 'del', `${address}/32`, 'dev', 'lo');
  }

  /** Pulls the cable out, or in. */
  setCable(up: boolean): void {
    ip('-n', this.#names[0], 'link', 'set', 'cable', up ? 'up' : 'down');
  }

  [Symbol.dispose](): void {
    for (const name of this.#names) ip('netns', 'del', name);
  }
}
