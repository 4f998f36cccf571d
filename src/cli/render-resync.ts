import type { Exit } from '../core/failure.ts';
import { printable } from '../core/path.ts';
import type { PeerReport } from './daemon/answers.ts';
import type { Io } from './io.ts';
import { count, paint } from './render.ts';

/** Says what was done. `drift` where something is not as it should be after all. */
export function showResynced(reports: readonly PeerReport[], form: 'json' | 'text', io: Io): Exit {
  const sum = (of: (one: PeerReport) => number): number => reports.reduce((total, one) => total + of(one), 0);
  const refused = reports.flatMap((one) => one.refused);
  const total = {
    pushed: sum(({ pushed }) => pushed),
    deleted: sum(({ deleted }) => deleted),
    alreadyThere: sum(({ alreadyThere }) => alreadyThere),
    conflicts: sum(({ conflicts }) => conflicts),
    refused,
  };
  if (form === 'json') io.out(`${JSON.stringify({ ...total, peers: reports })}\n`);
  else {
    for (const { path, reason, detail } of refused)
      io.out(`${paint(io, 'red', 'refused')} ${printable(path)}: ${reason}, ${printable(detail)}\n`);
    io.out(
      `${count(total.pushed, 'path')} pushed, ${total.deleted} deleted, ${total.alreadyThere} already there, ${count(total.conflicts, 'conflict')}, ${refused.length} refused\n`,
    );
  }
  return refused.length > 0 || total.conflicts > 0 ? 'drift' : 'done';
}
