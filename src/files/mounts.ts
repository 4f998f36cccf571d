import { readFileSync, readlinkSync } from 'node:fs';

export type Mount = { readonly at: string; readonly type: string };

/** The lines of /proc/self/mountinfo, see proc(5). */
export function parseMounts(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const at = before
      .split(' ')[4]
      ?.replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)));
    const type = after.split(' ')[0];
    return at === undefined || type === undefined || type === '' ? [] : [{ at, type }];
  });
}

/** The first mount point at or below an open directory, as a full path; undefined where there is none. Throws system errors. */
export function mountAtOrBelow(fd: number): string | undefined {
  const top = readlinkSync(`/proc/self/fd/${fd}`);
  const mounts = parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  return mounts.find(({ at }) => at === top || at.startsWith(`${top}/`))?.at;
}
