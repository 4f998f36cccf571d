import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { askDaemon } from '../../control/client.ts';
import { type Entry, sameContent, sameEntry } from '../../core/entry.ts';
import { type Exit, Failure } from '../../core/failure.ts';
import { printable, type ReplicaPath } from '../../core/path.ts';
import { openLog } from '../../log/log.ts';
import { failureOf } from '../../passive/operation.ts';
import { lookHere, maxDiffBytes, readOwn } from '../content.ts';
import type { Io } from '../io.ts';
import { type Node, openNode, requireActive, requireEnabled } from '../node.ts';
import { describeEntry, labels, paint, sizeText } from '../render.ts';
import { renderDiff } from '../render-diff.ts';
import { findKept, type Kept, type Restored, restoreVersion } from '../restore.ts';
import { agoText, timeText } from '../times.ts';

export type RestoreCommand = {
  readonly config: string;
  readonly path: ReplicaPath;
  readonly id: string;
  readonly diff: boolean;
  readonly mask: boolean;
  readonly yes: boolean;
  readonly json: boolean;
};

/** Puts a version back on the active node, or shows what that would change. */
export async function restoreCommand(options: RestoreCommand, io: Io): Promise<Exit> {
  const node = await openNode(options.config, openLog({ format: 'text', level: 'warn' }));
  const { path, id } = options;
  requireActive(node, 'restore');
  if (!options.diff) requireEnabled(node, 'restore');
  if (options.diff || (io.interactive && !options.yes)) {
    using kept = await findKept(node, { path, id });
    const { mask } = options;
    const shownOn = options.json ? { ...io, colour: false } : io;
    const preview = await previewOf(node, path, kept, { io: shownOn, mask });
    if (options.diff) {
      node.database.close();
      return showPreview(preview, options, io);
    }
    io.out(preview.text);
    await confirm(path, io);
  }
  const asked = await askDaemon({ runtime: node.config.runtime, command: 'restore', args: { path, id } });
  const restored = asked.answered ? (asked.value as Restored) : await restoreVersion(node, { path, id });
  node.database.close();
  if (options.json) io.out(`${JSON.stringify({ ...restored, daemon: asked.answered })}\n`);
  else report(restored, asked.answered, io);
  return 'done';
}

type Preview = {
  readonly same: boolean;
  readonly now: Entry;
  readonly version: Entry;
  readonly text: string;
};

/** From what is on disk now to the version. */
async function previewOf(
  node: Node,
  path: ReplicaPath,
  kept: Kept,
  { io, mask }: { readonly io: Io; readonly mask: boolean },
): Promise<Preview> {
  const seen = lookHere(node, path);
  if (seen.kind !== 'entry') {
    const { reason, detail } = failureOf(seen);
    throw new Failure({
      code: reason,
      exit: 'refused',
      message: `${path} cannot be read now: ${detail}`,
      hint: 'put right what is said above, then run it again',
    });
  }
  const { version } = kept;
  const [here, there] = labels([`${node.config.node} has now`, `version ${version.id}`]);
  const head =
    `${paint(io, 'bold', printable(path))}: version ${printable(version.id)} of ${timeText(version.at)} (${agoText(version.at, Date.now())}), ` +
    `${printable(version.reason)}, kept on ${printable(kept.node)}\n` +
    `  ${here} ${describeEntry(seen.entry)}\n  ${there} ${describeEntry(version.entry)}\n`;
  return {
    same: sameEntry(seen.entry, version.entry),
    now: seen.entry,
    version: version.entry,
    text: head + (await diffText(node, path, kept, { now: seen.entry, io, mask })),
  };
}

async function diffText(
  node: Node,
  path: ReplicaPath,
  kept: Kept,
  { now, io, mask }: { now: Entry; io: Io; mask: boolean },
): Promise<string> {
  const { entry, id } = kept.version;
  if (sameEntry(now, entry)) return 'both are the same\n';
  if (now.kind !== 'file' && entry.kind !== 'file') return '';
  if (sameContent(now, entry)) return 'the content is the same; mode, owner or attributes are not\n';
  const largest = Math.max(...[now, entry].map((one) => (one.kind === 'file' ? one.size : 0)));
  if (largest > maxDiffBytes) return `too large to show: ${sizeText(largest)}\n`;
  const from = now.kind === 'file' ? (readOwn(node, path) ?? Buffer.alloc(0)) : Buffer.alloc(0);
  const to = entry.kind === 'file' ? await wholeOf(kept) : Buffer.alloc(0);
  return renderDiff(io, { path, fromName: node.config.node, toName: `version ${id}`, from, to, mask });
}

async function wholeOf(kept: Kept): Promise<Buffer> {
  const content = await kept.content();
  return 'fd' in content ? readFileSync(content.fd) : content;
}

function showPreview(preview: Preview, { path, id, json }: RestoreCommand, io: Io): Exit {
  const { same, now, version, text } = preview;
  if (json) io.out(`${JSON.stringify({ path, id, same, now, version, text })}\n`);
  else io.out(text);
  return same ? 'done' : 'drift';
}

async function confirm(path: ReplicaPath, io: Io): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const question = `Put this version back at ${printable(path)}? What is there now is kept as a version. [y/N] `;
  const answer = await terminal.question(paint(io, 'bold', question));
  terminal.close();
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new Failure({
    code: 'not-confirmed',
    exit: 'usage',
    message: 'nothing was changed',
    hint: 'answer y, or give --yes',
  });
}

function report({ path, id, from, result, replaced, put }: Restored, daemon: boolean, io: Io): void {
  const shown = printable(path);
  if (result === 'already-there') {
    io.out(`${shown} is what version ${printable(id)} says already; nothing was changed\n`);
    return;
  }
  io.out(
    `${paint(io, 'green', 'restored')} ${shown} from version ${printable(id)}, kept on ${printable(from)}\n`,
  );
  const [now, before] = labels(['now', 'before']);
  io.out(`  ${now} ${describeEntry(put)}\n  ${before} ${describeEntry(replaced)}\n`);
  if (replaced.kind === 'file' || replaced.kind === 'symlink')
    io.out(`what was there is kept: \`bm-confsync history ${shown}\`\n`);
  io.out(
    daemon
      ? 'the running daemon replicates it now; `bm-confsync flush` returns when it is durable on every peer\n'
      : 'the daemon does not run: it is replicated when the daemon starts\n',
  );
}
