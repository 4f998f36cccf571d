/** What an operator reads when directories cannot be watched. */

export type WatchProblem = {
  /** What was expected and what was found. */
  readonly detail: string;
  /** What to do next. */
  readonly hint: string;
};

/** The kernel's limits for one user, as they are now. */
export type InotifyLimits = {
  /** fs.inotify.max_user_watches */
  readonly watches: number;
  /** fs.inotify.max_user_instances */
  readonly instances: number;
  /** user.max_inotify_watches of this user namespace: lower than the former in some containers. */
  readonly namespaceWatches: number;
  /** user.max_inotify_instances, likewise. */
  readonly namespaceInstances: number;
};

const settingsFile = '/etc/sysctl.d/90-bm-confsync.conf';

/**
 * Out of watches. `wanted`: directories to watch; `watched`: those that are. The rest of the limit is in
 * use by other programs of the same user, so the value to set covers them too, and a quarter more.
 */
export function outOfWatches(limits: InotifyLimits, wanted: number, watched: number): WatchProblem {
  const limit = Math.min(limits.watches, limits.namespaceWatches);
  const others = Number.isFinite(limit) ? Math.max(0, limit - watched) : 0;
  const needed = roundedUp((others + wanted) * 1.25 + 1024, 8192);
  const already = Number.isFinite(limits.watches) ? limits.watches : 0;
  return {
    detail:
      `expected to watch ${wanted} directories, could watch ${watched}: the limit of inotify watches is used up ` +
      `(${found('fs.inotify.max_user_watches', limits.watches, 'user.max_inotify_watches', limits.namespaceWatches)}). ` +
      'Changes in the others are found by periodic scans only.',
    hint: setting('fs.inotify.max_user_watches', Math.max(needed, already), limits.namespaceWatches),
  };
}

/** Out of inotify instances (or of file descriptors, which looks the same). */
export function outOfInstances(limits: InotifyLimits, openFiles: string): WatchProblem {
  const already = Number.isFinite(limits.instances) ? limits.instances : 128;
  const needed = roundedUp(Math.max(already, 1) * 2, 256);
  return {
    detail:
      'expected an inotify instance, found none free ' +
      `(${found('fs.inotify.max_user_instances', limits.instances, 'user.max_inotify_instances', limits.namespaceInstances)}; ` +
      `limit of open files ${openFiles}). Changes are found by periodic scans only.`,
    hint: setting('fs.inotify.max_user_instances', needed, limits.namespaceInstances),
  };
}

/** A directory that cannot be watched for another reason, as the system tells it. */
export function cannotWatch(path: string, code: string): WatchProblem {
  return {
    detail: `expected to watch ${path}, found ${code}. Changes there are found by periodic scans only.`,
    hint: 'look at the permissions of the directory and at the kernel log, then restart bm-confsync',
  };
}

function found(sysctl: string, value: number, inNamespace: string, namespaceValue: number): string {
  const base = `${sysctl} = ${Number.isFinite(value) ? value : 'unreadable'}`;
  return namespaceValue < value ? `${base}, but ${inNamespace} = ${namespaceValue} here` : base;
}

function setting(sysctl: string, needed: number, namespaceValue: number): string {
  const base =
    `put \`${sysctl} = ${needed}\` into ${settingsFile}, run \`sysctl --system\`, ` +
    'then restart bm-confsync';
  return namespaceValue < needed
    ? `${base}; in a container, its own limit has to be raised to ${needed} as well`
    : base;
}

function roundedUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
