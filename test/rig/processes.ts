import { readdirSync, readFileSync } from 'node:fs';

/** A process that stays identifiable: a process id may be used again, with another start time. */
export type Process = {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly started: string;
};

/** Everything that runs, from /proc. */
export function allProcesses(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readProcess(Number(name)))
    .filter((found) => found !== undefined);
}

/** One process; undefined when it is gone or a zombie. */
export function readProcess(pid: number): Process | undefined {
  const stat = readProc(pid, 'stat');
  // The name stands in parentheses and may itself hold spaces and parentheses.
  const nameEnd = stat.lastIndexOf(')');
  if (nameEnd < 0) return undefined;
  const [state, parent, ...rest] = stat.slice(nameEnd + 2).split(' ');
  if (state === 'Z' || state === 'X') return undefined;
  return {
    pid,
    parent: Number(parent),
    name: stat.slice(stat.indexOf('(') + 1, nameEnd),
    started: rest[17] ?? '',
  };
}

/** All processes below `pid`, parents first. */
export function descendantsOf(pid: number, all: readonly Process[] = allProcesses()): Process[] {
  const children = all.filter(({ parent }) => parent === pid);
  return children.flatMap((child) => [child, ...descendantsOf(child.pid, all)]);
}

/** The processes whose environment holds a variable of that name with a value that ends so. */
export function processesWith(variable: string, valueEnd: string): Process[] {
  return allProcesses().filter(({ pid }) =>
    readProc(pid, 'environ')
      .split('\0')
      .some((entry) => entry.startsWith(`${variable}=`) && entry.endsWith(valueEnd)),
  );
}

export function isAlive(known: Process): boolean {
  return readProcess(known.pid)?.started === known.started;
}

/** Signals exactly the process that was meant; false when it is gone. */
export function signal(known: Process, name: NodeJS.Signals): boolean {
  if (!isAlive(known)) return false;
  try {
    process.kill(known.pid, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch (error) {
    // It ended meanwhile, or it is somebody else's.
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return '';
    throw error;
  }
}
