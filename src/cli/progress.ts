import { Presets, SingleBar } from 'cli-progress';
import type { Io } from './io.ts';

export type Progress = { update(done: number, total: number): void; close(): void };

/** A progress bar on a terminal; nothing elsewhere, or where there is no `title`. */
export function openProgress(io: Io, title: string | undefined): Progress {
  if (!io.interactive || title === undefined) return { update: () => undefined, close: () => undefined };
  const bar = new SingleBar(
    {
      format: `${title} {bar} {percentage}% | {value}/{total} paths | {duration_formatted}`,
      hideCursor: true,
      clearOnComplete: false,
    },
    Presets.shades_classic,
  );
  let started = false;
  return {
    update: (done, total) => {
      if (!started && total > 0) bar.start(total, done);
      started ||= total > 0;
      if (started) bar.update(done);
    },
    close: () => {
      if (started) bar.stop();
    },
  };
}
