import type { Entry } from '../core/entry.ts';

/** `2026-03-01 14:05:09`, in this machine's time zone. `at`: milliseconds since 1970. */
export function timeText(at: number): string {
  const date = new Date(at);
  const two = (part: number): string => String(part).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

const units: readonly (readonly [string, number])[] = [
  ['days', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
];

/** `3 min ago`. A time of another node may lie ahead of this one's clock, which is said. Milliseconds. */
export function agoText(at: number, now: number): string {
  const ms = Math.abs(now - at);
  // A day is too coarse a measure until there are two of them.
  const [unit, size] = units.find(([name, least]) => ms >= (name === 'days' ? 2 * least : least)) ?? [
    's',
    1000,
  ];
  const text = `${Math.floor(ms / size)} ${unit}`;
  if (at - now >= 60_000) return `${text} ahead of this clock`;
  return at > now || ms < 1000 ? 'just now' : `${text} ago`;
}

/** When a file was written, as its entry says; undefined for anything else. */
export function writtenText(entry: Entry | undefined): string | undefined {
  if (entry?.kind !== 'file') return undefined;
  return `written ${timeText(Number.parseFloat(entry.mtime) * 1000)}`;
}
