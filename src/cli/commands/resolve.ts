import { loadConfig } from '../../config/load.ts';
import { askDaemon } from '../../control/client.ts';
import type { Exit } from '../../core/failure.ts';
import { printable } from '../../core/path.ts';
import type { Io } from '../io.ts';
import { paint } from '../render.ts';
import type { ResolveReport } from '../resolve.ts';
import { noDaemon } from './resume.ts';

/** Settles conflicts by what one of the nodes has. Exit `drift` when some are still there. */
export async function resolveCommand(
  options: { config: string; ids: string[]; take: 'active' | 'passive'; json: boolean },
  io: Io,
): Promise<Exit> {
  const { runtime } = loadConfig(options.config);
  const { ids, take } = options;
  const asked = await askDaemon({ runtime, command: 'resolve', args: { ids, take } });
  if (!asked.answered) throw noDaemon(runtime);
  const { resolved, failed } = asked.value as ResolveReport;
  if (options.json) io.out(`${JSON.stringify({ resolved, failed })}\n`);
  else {
    for (const path of resolved)
      io.out(
        `${paint(io, 'green', 'resolved')} ${printable(path)}: both nodes have what the ${take} one had\n`,
      );
    for (const { id, path, reason } of failed)
      io.out(
        `${paint(io, 'red', 'not resolved')} ${printable(id)}${path === null ? '' : ` ${printable(path)}`}: ${printable(reason)}\n`,
      );
  }
  return failed.length === 0 ? 'done' : 'drift';
}
