import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Pair } from '../world/pair.ts';
import { differences, leftovers, seeded, write } from '../world/tree.ts';

const churnMs = Number(process.env['BM_CONFSYNC_CHURN_MS'] ?? 20_000);
const seed = Number(process.env['BM_CONFSYNC_SEED'] ?? Date.now() % 1_000_000);
const unguarded = { massDeletion: { paths: 1_000_000, percent: 100 } };

/** One random change of a tree, as an administrator, an editor or a package might make it. */
class Churn {
  readonly #root: string;
  readonly #random: () => number;
  readonly counts = new Map<string, number>();
  #made = 0;

  constructor(root: string, random: () => number) {
    this.#root = root;
    this.#random = random;
  }

  step(): void {
    const kinds = Object.entries(this.#steps);
    const [kind, act] = kinds[Math.floor(this.#random() * kinds.length)] ?? [];
    if (kind !== undefined && act?.() === true) this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  readonly #steps: Readonly<Record<string, () => boolean>> = {
    create: () => this.#inDirectory((folder) => writeFileSync(join(folder, this.#name('f')), this.#text())),
    write: () => this.#onFile((file) => writeFileSync(file, this.#text())),
    append: () => this.#onFile((file) => appendFileSync(file, this.#text())),
    replace: () =>
      this.#onFile((file) => {
        writeFileSync(`${file}.new`, this.#text());
        renameSync(`${file}.new`, file);
      }),
    sameTime: () =>
      this.#onFile((file) => {
        const { atime, mtime } = lstatSync(file);
        writeFileSync(file, this.#text());
        utimesSync(file, atime, mtime);
      }),
    renameFile: () =>
      this.#onFile((file) => this.#inDirectory((folder) => renameSync(file, join(folder, this.#name('r'))))),
    chmod: () => this.#onFile((file) => chmodSync(file, 0o600 + Math.floor(this.#random() * 0o200))),
    chown: () =>
      this.#onFile((file) => chownSync(file, Math.floor(this.#random() * 4), Math.floor(this.#random() * 4))),
    remove: () => this.#onFile((file) => rmSync(file)),
    recreate: () =>
      this.#onFile((file) => {
        rmSync(file);
        writeFileSync(file, this.#text());
      }),
    mkdir: () =>
      this.#inDirectory((folder) =>
        mkdirSync(join(folder, this.#name('d'), this.#name('e')), { recursive: true }),
      ),
    tree: () =>
      this.#inDirectory((folder) => {
        const top = join(folder, this.#name('t'));
        for (const sub of ['a', 'b/c']) {
          mkdirSync(join(top, sub), { recursive: true });
          for (let n = 0; n < 5; n += 1) writeFileSync(join(top, sub, `n${n}`), this.#text());
        }
      }),
    renameTree: () =>
      this.#onDirectory((from) =>
        this.#inDirectory(
          (folder) =>
            folder !== from &&
            !folder.startsWith(`${from}/`) &&
            renameSync(from, join(folder, this.#name('m'))),
        ),
      ),
    removeTree: () =>
      this.#random() < 0.3 && this.#onDirectory((folder) => rmSync(folder, { recursive: true })),
    link: () =>
      this.#inDirectory((folder) =>
        symlinkSync(this.#random() < 0.5 ? 'nowhere' : '/etc/passwd', join(folder, this.#name('l'))),
      ),
    fileToDirectory: () =>
      this.#onFile((file) => {
        rmSync(file);
        mkdirSync(file);
        writeFileSync(join(file, 'inside'), this.#text());
      }),
    directoryToLink: () =>
      this.#random() < 0.3 &&
      this.#onDirectory((folder) => {
        rmSync(folder, { recursive: true });
        symlinkSync('/tmp', folder);
      }),
  };

  #name(prefix: string): string {
    this.#made += 1;
    const odd = ['', ' space', '[1]', 'é', '{a,b}', '!x', '\n'][Math.floor(this.#random() * 7)] ?? '';
    return `${prefix}${this.#made}${odd}`;
  }

  #text(): string {
    return `${this.#made} ${this.#random()}\n`.repeat(1 + Math.floor(this.#random() * 40));
  }

  #inDirectory(act: (folder: string) => unknown): boolean {
    const all = [this.#root, ...this.#find('directory')];
    const folder = all[Math.floor(this.#random() * all.length)];
    return folder !== undefined && act(folder) !== false;
  }

  #onFile(act: (file: string) => unknown): boolean {
    return this.#on('file', act);
  }

  #onDirectory(act: (folder: string) => unknown): boolean {
    return this.#on('directory', act);
  }

  #on(kind: 'file' | 'directory', act: (path: string) => unknown): boolean {
    const all = this.#find(kind);
    const path = all[Math.floor(this.#random() * all.length)];
    return path !== undefined && act(path) !== false;
  }

  #find(kind: 'file' | 'directory'): string[] {
    const found: string[] = [];
    const walk = (folder: string): void => {
      for (const name of readdirSync(folder).sort()) {
        const path = join(folder, name);
        const stats = lstatSync(path);
        if (stats.isDirectory()) walk(path);
        if (kind === 'file' ? stats.isFile() : stats.isDirectory()) found.push(path);
      }
    };
    walk(this.#root);
    return found;
  }
}

describe('churn', () => {
  it(`leaves both trees the same after ${churnMs / 1000} s of random changes (seed ${seed})`, {
    timeout: churnMs + 120_000,
  }, async (t) => {
    await using pair = await Pair.open({ active: { limits: unguarded } });
    write(pair.root('active'), { 'etc/first.conf': 'first' });
    const daemon = await pair.startActive();
    const churn = new Churn(join(pair.root('active'), 'etc'), seeded(seed));
    const end = performance.now() + churnMs;
    let steps = 0;
    while (performance.now() < end) {
      churn.step();
      steps += 1;
      if (steps % 20 === 0) await nextTurn();
    }
    t.diagnostic(`${steps} steps: ${[...churn.counts].map(([kind, n]) => `${kind} ${n}`).join(', ')}`);
    const flushed = await pair.flush();
    if (process.env['BM_CONFSYNC_LOG'] !== undefined)
      writeFileSync(process.env['BM_CONFSYNC_LOG'], `${daemon.log()}\n${flushed.stdout}`);
    assert.equal(
      flushed.code,
      0,
      `${flushed.stdout
        .split('\n')
        .filter((line) => !line.includes('parent-missing'))
        .join(
          '\n',
        )}${flushed.stderr}exit ${daemon.process.exitCode} ${daemon.process.signalCode}\n${daemon.log().slice(-3000)}`,
    );
    assert.equal(differences(pair.root('active'), pair.root('passive')), '');
    const verified = await pair.run('active', ['verify', '--full']);
    assert.equal(verified.code, 0, verified.stdout);
    assert.equal(leftovers(pair.root('passive')), '');
  });
});
