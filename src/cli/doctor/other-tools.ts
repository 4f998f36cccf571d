import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Check, error, listed, ok, warning } from './check.ts';
import { processes } from './inotify.ts';
import { type Surroundings, textOf } from './surroundings.ts';

/** A program that replicates files as well. */
type Tool = {
  readonly name: string;
  /** Names of its processes, each also with more after a dash: unison-text, mutagen-agent. */
  readonly runs: readonly string[];
  /** Files that it is configured by, and folders of them. */
  readonly configured: readonly string[];
  readonly comment: RegExp;
  /** What stops it and keeps it from coming back. */
  readonly mend: string;
};

const hash = /(?:^|\s)#.*$/gm;
const stop = (units: string): string => `systemctl disable --now ${units}`;
const tools: readonly Tool[] = [
  {
    name: 'lsyncd',
    runs: ['lsyncd'],
    configured: ['/etc/lsyncd', '/etc/lsyncd.conf'],
    comment: /--.*$/gm,
    mend: stop('lsyncd'),
  },
  {
    name: 'csync2',
    runs: ['csync2', 'csync2d'],
    configured: ['/etc/csync2', '/etc/csync2.cfg'],
    comment: hash,
    mend: stop('csync2.socket'),
  },
  {
    name: 'incron',
    runs: ['incrond'],
    configured: ['/etc/incron.d', '/var/spool/incron'],
    comment: hash,
    mend: stop('incron'),
  },
  {
    name: 'unison',
    runs: ['unison'],
    configured: ['/root/.unison'],
    comment: hash,
    mend: 'kill PID, and take it out of cron',
  },
  {
    name: 'syncthing',
    runs: ['syncthing'],
    configured: [],
    comment: hash,
    mend: 'take our folders out of syncthing',
  },
  {
    name: 'mutagen',
    runs: ['mutagen'],
    configured: [],
    comment: hash,
    mend: 'mutagen sync terminate NAME',
  },
];

/** Programs that cron or a timer starts for a moment. */
const scheduled = ['rsync', 'csync2', 'unison', 'osync'];
const schedules = ['/etc/crontab', '/etc/cron.d', '/var/spool/cron/crontabs', '/var/spool/cron/root'];

/** What was found of another tool. */
export type OtherTool = {
  readonly tool: string;
  readonly pids: readonly string[];
  /** Started at boot. */
  readonly enabled: boolean;
  /** A replicated path that it names, and where; undefined: none was found. */
  readonly names: { readonly path: string; readonly in: string } | undefined;
  readonly mend: string;
};

/** Looks at processes, configuration and cron. `roots`: of the replicated tree, as paths of this machine. */
export function otherTools(surroundings: Surroundings, roots: readonly string[]): OtherTool[] {
  const running = runningTools(surroundings.proc);
  const found = tools.flatMap((tool): OtherTool[] => {
    const own = running.filter(({ comm }) => isRunBy(tool, comm));
    const pids = own.map(({ pid }) => pid);
    const enabled = isEnabled(surroundings.system, tool);
    if (pids.length === 0 && !enabled) return [];
    const words = own.map(({ pid, words: [, ...rest] }) => ({
      file: `the command line of ${pid}`,
      text: rest.filter((word) => !namesConfiguration(word)).join('\n'),
    }));
    const files = tool.configured.flatMap((one) => textsBelow(surroundings.system + one));
    const given = own.flatMap(({ words }) => words.flatMap(asConfiguration));
    const texts = [
      ...words,
      ...[...files, ...given].map(({ file, text }) => ({ file, text: text.replace(tool.comment, '') })),
    ];
    return [
      { tool: tool.name, pids, enabled, names: firstNamed(texts, roots, tool.configured), mend: tool.mend },
    ];
  });
  return [...found, ...cronJobs(surroundings.system, roots)];
}

type Running = { readonly pid: string; readonly comm: string; readonly words: readonly string[] };

function isRunBy({ runs }: Tool, comm: string): boolean {
  return runs.some((one) => comm === one || comm.startsWith(`${one}-`));
}

function runningTools(proc: string): Running[] {
  return processes(proc).flatMap((pid) => {
    const comm = textOf(join(proc, pid, 'comm'))?.trim() ?? '';
    if (!tools.some((tool) => isRunBy(tool, comm))) return [];
    const words =
      textOf(join(proc, pid, 'cmdline'))
        ?.split('\0')
        .filter(Boolean) ?? [];
    return [{ pid, comm, words }];
  });
}

/** What a program is given by such a name is read by it, not replicated. */
function namesConfiguration(word: string): boolean {
  return word.startsWith('/') && /\.(?:lua|conf|cfg|prf|toml|yml)$/.test(word);
}

function asConfiguration(word: string): Text[] {
  if (!namesConfiguration(word)) return [];
  const text = textOf(word);
  return text === undefined ? [] : [{ file: word, text }];
}

type Text = { readonly file: string; readonly text: string };

/** A file, or those directly in a folder. */
function textsBelow(path: string): Text[] {
  const own = textOf(path);
  if (own !== undefined) return [{ file: path, text: own }];
  if (!existsSync(path)) return [];
  return readdirSync(path).flatMap((one) => {
    const text = textOf(join(path, one));
    return text === undefined ? [] : [{ file: join(path, one), text }];
  });
}

/** Whether systemd starts one of its units. */
function isEnabled(system: string, { name, runs }: Tool): boolean {
  const folder = `${system}/etc/systemd/system`;
  if (!existsSync(folder)) return false;
  const wants = readdirSync(folder).filter((one) => one.endsWith('.wants'));
  const units = wants.flatMap((one) => readdirSync(join(folder, one)));
  return units.some((unit) =>
    [name, ...runs].includes(unit.replace(/(?:@[^.]*)?\.(?:service|socket|timer)$/, '')),
  );
}

/** Lines of cron that have one of these programs touch our paths. */
function cronJobs(system: string, roots: readonly string[]): OtherTool[] {
  const lines = schedules.flatMap((one) =>
    textsBelow(system + one).flatMap(({ file, text }) =>
      text
        .split('\n')
        .map((line, index) => ({ file: `${file}:${index + 1}`, text: line.replace(/^\s*#.*$/, '') })),
    ),
  );
  return lines.flatMap((line): OtherTool[] => {
    const tool = scheduled.find((one) => new RegExp(`(?:^|[\\s/;&|])${one}(?:\\s|$)`).test(line.text));
    if (tool === undefined) return [];
    const names =
      tool === 'csync2' ? { path: 'what csync2.cfg says', in: line.file } : firstNamed([line], roots);
    if (names === undefined) return [];
    return [{ tool, pids: [], enabled: true, names, mend: `take the line out of ${line.file}` }];
  });
}

/** The first path in the texts that lies in the replicated tree, or above it. `own`: files of the tool, which it reads. */
function firstNamed(
  texts: readonly Text[],
  roots: readonly string[],
  own: readonly string[] = [],
): OtherTool['names'] {
  for (const { file, text } of texts) {
    // A path may stand after `host:` or `=`, in quotes, or between other words.
    for (const [path] of text.matchAll(/(?<![\w./-])\/[^\s"',;:(){}<>|&]*/g)) {
      const trimmed = path.replace(/[/*]+$/, '') || '/';
      if (own.some((one) => trimmed === one || trimmed.startsWith(`${one}/`))) continue;
      if (trimmed !== '/' && roots.some((root) => overlaps(trimmed, root))) return { path, in: file };
    }
  }
  return undefined;
}

function overlaps(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b === '/' ? '' : b}/`) || b.startsWith(`${a}/`);
}

const name = 'other-tools';

export function judgeOtherTools(found: readonly OtherTool[]): Check[] {
  if (found.length === 0) return [ok(name, 'no lsyncd, csync2, incron, unison or rsync job on our paths')];
  return found.map(({ tool, pids, enabled, names, mend }) => {
    const runs =
      pids.length > 0 ? `runs (process ${listed(pids)})` : enabled ? 'is started by the system' : 'is set up';
    const command = mend.replace('PID', pids.join(' '));
    if (names !== undefined)
      return error(
        name,
        `${tool} ${runs} and is about ${names.path} (${names.in}): two tools on one path undo each other`,
        command,
      );
    return warning(
      name,
      `${tool} ${runs}; nothing was found that has it touch the replicated paths`,
      `${command}   # if it is not meant to`,
    );
  });
}
