import { askDaemon } from '../../control/client.ts';
import type { Ended } from '../../core/failure.ts';
import { type Readiness, type ReadinessFacts, readiness } from '../../core/readiness.ts';
import { openLog } from '../../log/log.ts';
import type { Io } from '../io.ts';
import { type Node, openNode } from '../node.ts';
import { pluginLine } from '../plugin-line.ts';
import { readinessFacts } from '../readiness.ts';
import { paint } from '../render.ts';
import type { Status } from '../status.ts';
import { pluginPatienceMs } from '../told-status.ts';

/** Whether this passive could take over now. Exit `drift` when not; each reason is printed. */
export async function ready(
  options: { readonly config: string; readonly json: boolean; readonly nagios: boolean },
  io: Io,
): Promise<Ended> {
  const node = await openNode(options.config, openLog({ format: 'text', level: 'warn' }));
  const found = readiness(await factsOf(node, options.nagios ? { timeoutMs: pluginPatienceMs } : {}));
  const name = node.config.node;
  node.database.close();
  if (options.nagios) return nagios(name, found, io);
  if (options.json) io.out(`${JSON.stringify({ node: name, ...found })}\n`);
  else show(name, found, io);
  return found.ready ? 'done' : 'drift';
}

async function factsOf(node: Node, limit: { readonly timeoutMs?: number }): Promise<ReadinessFacts> {
  const { runtime } = node.config;
  const asked = await askDaemon({ runtime, command: 'status', args: {}, ...limit });
  const status = asked.answered ? (asked.value as Status) : undefined;
  const connected = status?.following?.connected ?? false;
  return readinessFacts(node, { daemonRunning: asked.answered, connected });
}

function show(name: string, { ready: yes, reasons, notes }: Readiness, io: Io): void {
  io.out(
    `${name}: ${yes ? paint(io, 'green', 'ready to take over') : paint(io, 'red', 'NOT ready to take over')}\n`,
  );
  for (const { code, detail } of reasons) io.out(`  ${paint(io, 'yellow', code)}: ${detail}\n`);
  for (const note of notes) io.out(`  note: ${note}\n`);
}

/** One line as the monitoring-plugins guidelines have it. */
function nagios(name: string, { ready: yes, reasons, notes }: Readiness, io: Io): Ended {
  const state = yes ? 'ok' : 'critical';
  const texts = yes ? [`${name} is ready to take over`, ...notes] : reasons.map(({ detail }) => detail);
  const measures = [{ label: 'reasons', value: reasons.length, critical: '0' }];
  io.out(pluginLine({ state, texts, measures }));
  return state;
}
