import { readFileSync, readlinkSync } from 'node:fs';

/**
 * The first mount point at or below an open directory, as a full path; undefined where there is none. By proc_pid_mountinfo(5), whose fifth
 * field is the mount point, with space, tab, newline and backslash as octal escapes. Throws system errors.
 */
export function mountAtOrBelow(fd: number): string | undefined {
  const top = readlinkSync(`/proc/self/fd/${fd}`);
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => unescaped(line.split(' ')[4] ?? ''))
    .find((point) => point === top || point.startsWith(`${top}/`));
}

function unescaped(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
