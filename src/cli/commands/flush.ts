import { loadConfig } from '../../config/load.ts';
import { askDaemon } from '../../control/client.ts';
import type { Exit } from '../../core/failure.ts';
import { printable, type ReplicaPath } from '../../core/path.ts';
import type { FlushReport } from '../daemon/answers.ts';
import type { Io } from '../io.ts';
import { noDaemon } from './resume.ts';

/** Returns when every peer has made durable all that was changed before the call. */
export async function flush(
  options: { config: string; paths: ReplicaPath[]; timeout: number; json: boolean },
  io: Io,
): Promise<Exit> {
  const { runtime } = loadConfig(options.config);
  const args = { paths: options.paths, timeoutMs: options.timeout };
  const asked = await askDaemon({ runtime, command: 'flush', args });
  if (!asked.answered) throw noDaemon(runtime);
  const report = asked.value as FlushReport;
  if (options.json) io.out(`${JSON.stringify(report)}\n`);
  else if (report.flushed) io.out('everything changed so far is durable on every peer\n');
  else
    for (const { path, peer, reason, detail } of report.held)
      io.out(
        `held back: ${printable(path)} for ${printable(peer)}: ${printable(reason)}, ${printable(detail)}\n`,
      );
  return report.flushed ? 'done' : 'drift';
}
