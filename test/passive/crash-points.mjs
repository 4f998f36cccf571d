import { registerHooks } from 'node:module';

// Preloaded into a receiver: ends it with SIGKILL when it comes to the point whose number CRASH_AT tells.

let passed = 0;
globalThis.crashPoint = () => {
  passed += 1;
  if (passed === Number(process.env['CRASH_AT'])) process.kill(process.pid, 'SIGKILL');
};

const points = [
  ['/src/files/native.ts', 'return outcome(libc().renameat2(', 'globalThis.crashPoint(); $&'],
  ['/src/state/journal.ts', 'placed(id: string): void {', '$& globalThis.crashPoint();'],
  ['/src/state/journal.ts', 'close(id: string): void {', '$& globalThis.crashPoint();'],
  ['/src/state/adopt.ts', 'objects }: AdoptTools): Step {', '$& globalThis.crashPoint();'],
  [
    '/src/state/adopt.ts',
    'function consume(step: Step, tools: AdoptTools): void {',
    '$& globalThis.crashPoint();',
  ],
  ['/src/state/ledger.ts', 'commit(): void {', '$& globalThis.crashPoint();'],
  ['/src/state/ledger.ts', 'move(move: Move): void {', '$& globalThis.crashPoint();'],
];

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const here = points.filter(([file]) => url.endsWith(file));
    if (here.length === 0) return loaded;
    let source = String(loaded.source);
    for (const [file, text, replacement] of here) {
      if (!source.includes(text)) throw new Error(`expected ${text} in ${file}`);
      source = source.replaceAll(text, () => replacement.replace('$&', text));
    }
    return { ...loaded, source };
  },
});
