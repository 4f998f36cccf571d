import { isUtf8 } from 'node:buffer';
import { createTwoFilesPatch } from 'diff';
import { Mask } from '../core/mask.ts';
import { printable } from '../core/path.ts';
import type { Io } from './io.ts';
import { paint, sizeText } from './render.ts';

/** Whether content is text that a terminal can show: valid UTF-8 without NUL. */
function asText(content: Buffer): string | undefined {
  return content.includes(0) || !isUtf8(content) ? undefined : content.toString('utf8');
}

/** Two texts that have nothing in common take long to compare; beyond this only their sizes are shown, ms. */
const diffPatienceMs = 2000;

/** A unified diff for text; sizes for anything else. Control characters in lines are escaped, secrets masked on demand. */
export function renderDiff(
  io: Io,
  about: { path: string; fromName: string; toName: string; from: Buffer; to: Buffer; mask: boolean },
): string {
  const from = asText(about.from);
  const to = asText(about.to);
  const shown = printable(about.path);
  const sizes = `${shown}: ${about.fromName} ${sizeText(about.from.byteLength)}, ${about.toName} ${sizeText(about.to.byteLength)}\n`;
  if (from === undefined || to === undefined) return `binary ${sizes}`;
  // One for both sides: a secret that changed has two numbers, one that did not has one.
  const mask = about.mask ? new Mask() : undefined;
  const patch = createTwoFilesPatch(
    `${about.fromName}:${shown}`,
    `${about.toName}:${shown}`,
    mask?.text(about.path, from) ?? from,
    mask?.text(about.path, to) ?? to,
    '',
    '',
    { context: 3, timeout: diffPatienceMs },
  );
  if (patch === undefined) return `too different to show ${sizes}`;
  const lines = patch.split('\n').slice(1);
  return lines.map((line) => colourLine(io, escapeLine(line))).join('\n');
}

const unsafe =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
  /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Tabs are part of many configuration files and harmless; a backslash stays what it is in a diff. */
function escapeLine(line: string): string {
  return line.replace(unsafe, printable);
}

function colourLine(io: Io, line: string): string {
  if (line.startsWith('+++') || line.startsWith('---')) return paint(io, 'bold', line);
  if (line.startsWith('@@')) return paint(io, 'cyan', line);
  if (line.startsWith('+')) return paint(io, 'green', line);
  if (line.startsWith('-')) return paint(io, 'red', line);
  return line;
}
