import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { InotifyLimits } from '../../watch/problem.ts';
import { count } from '../render.ts';
import { type Check, error, ok, warning } from './check.ts';

export type InotifyFacts = {
  readonly limits: InotifyLimits;
  /** Instances that processes of our user have open. */
  readonly instancesInUse: number;
  /** Directories that the daemon watches, or would. */
  readonly directories: number;
  /** Whether the daemon runs; what it says when it cannot watch everything. */
  readonly daemon: { readonly degraded: string | null } | undefined;
};

/** Inotify instances that are open in processes of this user. */
export function instancesInUse(proc: string, uid: number): number {
  return processes(proc).reduce((sum, pid) => sum + instancesOf(join(proc, pid), uid), 0);
}

/** The process ids below a folder such as /proc. */
export function processes(proc: string): string[] {
  return readdirSync(proc).filter((one) => /^\d+$/.test(one));
}

function instancesOf(folder: string, uid: number): number {
  try {
    if (statSync(folder).uid !== uid) return 0;
    const open = readdirSync(join(folder, 'fd')).map((fd) => linkOf(join(folder, 'fd', fd)));
    return open.filter((target) => target.includes('inotify')).length;
  } catch (problem) {
    // It ended meanwhile.
    if ((problem as NodeJS.ErrnoException).code === undefined) throw problem;
    return 0;
  }
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch (problem) {
    // It was closed meanwhile.
    if ((problem as NodeJS.ErrnoException).code === undefined) throw problem;
    return '';
  }
}

const name = 'inotify';
const settingsFile = '/etc/sysctl.d/90-bm-confsync.conf';
/** Fewer free instances than this are soon none. */
const fewInstances = 8;

export function judgeInotify({ limits, instancesInUse: used, directories, daemon }: InotifyFacts): Check[] {
  const watches = Math.min(limits.watches, limits.namespaceWatches);
  const instances = Math.min(limits.instances, limits.namespaceInstances);
  const checks: Check[] = [];
  const wanted = roundedUp(directories * 2 + 8192, 8192);
  const raise = raising('fs.inotify.max_user_watches', wanted, limits.namespaceWatches < limits.watches);
  if (directories > watches)
    checks.push(
      error(
        name,
        `expected to watch ${directories} directories, found a limit of ${watches} (fs.inotify.max_user_watches)`,
        raise,
      ),
    );
  else if (directories * 1.25 + 1024 > watches)
    checks.push(
      warning(
        name,
        `${directories} directories are close to the limit of ${watches} watches, which all programs of root share (fs.inotify.max_user_watches)`,
        raise,
      ),
    );
  const free = instances - used;
  if (free < fewInstances) {
    const more = raising(
      'fs.inotify.max_user_instances',
      roundedUp(used * 2 + 128, 128),
      limits.namespaceInstances < limits.instances,
    );
    const found = `${used} of ${instances} inotify instances are in use (fs.inotify.max_user_instances)`;
    // The daemon that runs has its own already.
    checks.push(
      free < 1 && daemon === undefined
        ? error(name, `${found}: none is left for the daemon`, more)
        : warning(name, found, more),
    );
  }
  if (checks.length === 0 && daemon !== undefined && daemon.degraded !== null)
    checks.push(
      error(name, `the daemon cannot watch everything: ${daemon.degraded}`, 'systemctl restart bm-confsync'),
    );
  if (checks.length > 0) return checks;
  const allowed = `${shown(watches)} watches allowed, ${used} of ${shown(instances)} instances used`;
  return [ok(name, `${count(directories, 'directory', 'directories')}; ${allowed}`)];
}

function shown(limit: number): string {
  return Number.isFinite(limit) ? String(limit) : 'unknown';
}

function raising(sysctl: string, wanted: number, inContainer: boolean): string {
  const command = `echo '${sysctl} = ${wanted}' >> ${settingsFile} && sysctl --system && systemctl restart bm-confsync`;
  return inContainer ? `${command}   # and the limit of this container` : command;
}

function roundedUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
