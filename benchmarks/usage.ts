import { readdirSync, readFileSync } from 'node:fs';

/** What a process has used so far, with all its threads. */
export type Usage = {
  readonly cpuMs: number;
  /** How often a thread of it slept and was woken. */
  readonly wakeUps: number;
  /** Resident, bytes. */
  readonly residentBytes: number;
  readonly peakBytes: number;
};

/** From /proc, with nanoseconds of processor time. Throws where the process is gone. */
export function usageOf(pid: number): Usage {
  let cpuNs = 0;
  let wakeUps = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${task}`;
    cpuNs += Number(readFileSync(`${folder}/schedstat`, 'utf8').split(' ')[0]);
    wakeUps += numberIn(readFileSync(`${folder}/status`, 'utf8'), 'voluntary_ctxt_switches');
  }
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    cpuMs: cpuNs / 1e6,
    wakeUps,
    residentBytes: numberIn(status, 'VmRSS') * 1024,
    peakBytes: numberIn(status, 'VmHWM') * 1024,
  };
}

function numberIn(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? Number.NaN);
}
