import { askDaemon } from '../../control/client.ts';
import type { Ended } from '../../core/failure.ts';
import { type Readiness, readiness } from '../../core/readiness.ts';
import { openLog } from '../../log/log.ts';
import type { Io } from '../io.ts';
import { type Node, openNode } from '../node.ts';
import { paint } from '../render.ts';
import type { Status } from '../status.ts';

/** A standing older than this many full reconciles of the active is stale. */
const reconcilesUntilStale = 3;
/** Paths in conflict that are named. */
const namedConflicts = 5;

/** Whether this passive could take over now. Exit `drift` when not; each reason is printed. */
export async function ready(
  options: { readonly config: string; readonly json: boolean; readonly nagios: boolean },
  io: Io,
): Promise<Ended> {
  const node = await openNode(options.config, openLog({ format: 'text', level: 'warn' }));
  const found = readiness(await factsOf(node));
  const name = node.config.node;
  node.database.close();
  if (options.nagios) return nagios(name, found, io);
  if (options.json) io.out(`${JSON.stringify({ node: name, ...found })}\n`);
  else show(name, found, io);
  return found.ready ? 'done' : 'drift';
}

async function factsOf(node: Node): Promise<Parameters<typeof readiness>[0]> {
  const { config, facts } = node;
  const asked = await askDaemon({ runtime: config.runtime, command: 'status', args: {} });
  const status = asked.answered ? (asked.value as Status) : undefined;
  const standing = facts.get('standing');
  const conflicts = node.conflicts.list();
  return {
    role: node.seat().role,
    ha: node.haSwitch(),
    now: Date.now(),
    daemonRunning: asked.answered,
    standing: standing === undefined ? undefined : { ...standing.value, at: standing.at },
    connected: status?.following?.connected ?? false,
    staleAfterMs: reconcilesUntilStale * config.reconcileMinutes * 60_000,
    conflicts: {
      count: conflicts.length,
      paths: conflicts.slice(0, namedConflicts).map(({ path }) => path),
    },
    watchlistsAgree: facts.get('watchlistsAgree')?.value,
  };
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
  const text = yes ? [`${name} is ready to take over`, ...notes] : reasons.map(({ detail }) => detail);
  // A bar would begin the performance data.
  const line = text.join('; ').replaceAll('|', '/');
  io.out(`BM-CONFSYNC ${yes ? 'OK' : 'CRITICAL'} - ${line} | reasons=${reasons.length};;0;0;\n`);
  return yes ? 'ok' : 'critical';
}
