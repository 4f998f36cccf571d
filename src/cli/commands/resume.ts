import { loadConfig } from '../../config/load.ts';
import { askDaemon } from '../../control/client.ts';
import { type Exit, Failure } from '../../core/failure.ts';
import type { Io } from '../io.ts';

/** Ends a halt; with `allowDeletes` the deletions that caused it are carried over. */
export async function resume(options: { config: string; allowDeletes: boolean }, io: Io): Promise<Exit> {
  const { runtime } = loadConfig(options.config);
  const asked = await askDaemon({ runtime, command: 'resume', args: { allowDeletes: options.allowDeletes } });
  if (!asked.answered) throw noDaemon(runtime);
  io.out('replication goes on\n');
  return 'done';
}

/** For commands that only the daemon can serve. */
export function noDaemon(runtime: string): Failure {
  return new Failure({
    code: 'no-daemon',
    exit: 'usage',
    message: `expected the daemon to answer in ${runtime}, found none running`,
    hint: 'start it with `systemctl start bm-confsync`, or `bm-confsync run` in a terminal',
  });
}
