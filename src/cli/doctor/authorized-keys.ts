import { statSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import { dirname } from 'node:path';
import type { Role } from '../../core/seat.ts';
import { type Check, error, listed, notChecked, octal, ok, shellWord, warning } from './check.ts';
import { type Comer, globs } from './sshd.ts';
import { textOf } from './surroundings.ts';

/** One key of an authorized_keys file, with the options before it in lower case. */
export type AuthorizedKey = {
  readonly file: string;
  readonly line: number;
  readonly options: ReadonlyMap<string, string>;
  /** The key itself, base64. */
  readonly key: string;
};

export type KeyFile = {
  readonly path: string;
  readonly keys: readonly AuthorizedKey[];
  /** Itself or a folder above it that others may write to, which has sshd ignore the file. */
  readonly loose: { readonly path: string; readonly mode: number } | undefined;
};

const keyTypes = /^(?:ssh-|ecdsa-|sk-)\S+$/;

/** Parses what sshd(8) says about AUTHORIZED_KEYS FILE FORMAT. Lines that are none are left out. */
export function parseAuthorizedKeys(file: string, text: string): AuthorizedKey[] {
  return text.split('\n').flatMap((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return [];
    const words = unquotedWords(line);
    const at = words.findIndex((word) => keyTypes.test(word));
    const key = words[at + 1];
    if (at < 0 || at > 1 || key === undefined) return [];
    return [{ file, line: index + 1, options: parseOptions(at === 1 ? (words[0] ?? '') : ''), key }];
  });
}

/** Splits at spaces that are not in double quotes. */
function unquotedWords(line: string): string[] {
  return line.match(/(?:"(?:\\.|[^"\\])*"|[^\s"])+/g) ?? [];
}

function parseOptions(text: string): Map<string, string> {
  const found = text.match(/(?:"(?:\\.|[^"\\])*"|[^,"])+/g) ?? [];
  return new Map(
    found.map((option) => {
      const cut = option.indexOf('=');
      const value =
        cut < 0
          ? ''
          : option
              .slice(cut + 1)
              .replace(/^"|"$/g, '')
              .replaceAll('\\"', '"');
      return [(cut < 0 ? option : option.slice(0, cut)).toLowerCase(), value];
    }),
  );
}

/** Reads the files that sshd would read. `uid`, `home`: of the account. */
export function readKeyFiles(paths: readonly string[], account: { uid: number; home: string }): KeyFile[] {
  return paths.flatMap((path) => {
    const text = textOf(path);
    if (text === undefined) return [];
    return [{ path, keys: parseAuthorizedKeys(path, text), loose: loosePart(path, account) }];
  });
}

/** As sshd looks at it: the file, and the folders above it up to the home of the account, or to the top. */
function loosePart(path: string, account: { uid: number; home: string }): KeyFile['loose'] {
  for (let at = path; ; at = dirname(at)) {
    const stats = statSync(at, { throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    const foreign = stats.uid !== 0 && stats.uid !== account.uid;
    if (foreign || (stats.mode & 0o022) !== 0) return { path: at, mode: stats.mode };
    if (at === account.home || at === dirname(at)) return undefined;
  }
}

export type ForcedCommandFacts = {
  readonly peer: string;
  readonly comer: Comer;
  readonly role: Role | undefined;
  readonly files: readonly KeyFile[];
  readonly strict: boolean;
  /** Where the line belongs. */
  readonly expectedIn: string;
  /** The public keys of the peer, `TYPE BASE64`; undefined: it could not be asked. */
  readonly peerKeys: readonly string[] | undefined;
};

const name = 'forced-command';

/** Whether the peer, when it is active, can start the receiver here with its key and do nothing else. */
export function judgeForcedCommand(facts: ForcedCommandFacts): Check[] {
  const { peer, files, peerKeys } = facts;
  const all = files.flatMap(({ keys }) => keys);
  if (peerKeys === undefined) {
    const receivers = all.filter(runsReceiver).length;
    const found = `${receivers} keys may run the receiver; which one is that of ${peer} only ${peer} could say`;
    return receivers > 0 ? [notChecked(name, found)] : [absent(facts)];
  }
  const bases = peerKeys.map((key) => key.split(' ')[1] ?? '');
  const own = all.find(({ key }) => bases.includes(key));
  if (own === undefined) return [absent(facts)];
  const problems = [...looseProblems(facts, own), ...optionProblems(facts, own)];
  if (problems.length > 0) return problems;
  return [ok(name, `the key of ${peer} may run the receiver and nothing else (${own.file}:${own.line})`)];
}

function runsReceiver({ options }: AuthorizedKey): boolean {
  return /(?:^|\s)receive(?:\s|$)/.test(options.get('command') ?? '');
}

/** The active needs nobody to send to it until the seats change. */
function absent({ peer, comer, role, files, expectedIn, peerKeys }: ForcedCommandFacts): Check {
  const where = listed(files.map(({ path }) => path)) || expectedIn;
  const found = `expected the key of ${peer} with restrict,command="bm-confsync receive" in ${where}, found none`;
  const key = peerKeys?.[0];
  const line = `restrict,command="bm-confsync receive" ${key ?? ''}`;
  const mend =
    key === undefined ? `bm-confsync pair root@${comer.host}` : `echo '${line}' >> ${shellWord(expectedIn)}`;
  if (role === 'active') return warning(name, `${found}: after a failover ${peer} could not send here`, mend);
  return error(name, found, mend);
}

function looseProblems({ files, strict }: ForcedCommandFacts, own: AuthorizedKey): Check[] {
  const loose = files.find(({ path }) => path === own.file)?.loose;
  if (!strict || loose === undefined) return [];
  const found = `sshd ignores ${own.file}: others may write to ${loose.path} (mode ${octal(loose.mode)}, StrictModes)`;
  return [error(name, found, `chown root ${shellWord(loose.path)} && chmod go-w ${shellWord(loose.path)}`)];
}

function optionProblems({ peer, comer }: ForcedCommandFacts, own: AuthorizedKey): Check[] {
  const at = `${own.file}:${own.line}`;
  const edit = `put restrict,command="bm-confsync receive" before the key in ${at}`;
  const problems: Check[] = [];
  const command = own.options.get('command');
  if (command === undefined)
    problems.push(
      error(name, `the key of ${peer} has no command= in ${at}: it may run anything as root`, edit),
    );
  else if (!runsReceiver(own))
    problems.push(
      error(name, `the key of ${peer} runs ${JSON.stringify(command)} in ${at}, not the receiver`, edit),
    );
  if (!own.options.has('restrict'))
    problems.push(warning(name, `the key of ${peer} has no restrict in ${at}: it may forward ports`, edit));
  const from = own.options.get('from');
  if (from !== undefined && !admits(from, comer)) {
    const found = `from="${from}" in ${at} keeps ${peer} out, which comes from ${comer.address}`;
    problems.push(error(name, found, `put ${comer.address} into from="" in ${at}`));
  }
  return problems;
}

/** As sshd reads `from=`: names and addresses with `*` and `?`, networks, and `!` before what must not match. */
export function admits(from: string, { host, address }: Comer): boolean {
  const matches = (pattern: string): boolean => {
    if (pattern.includes('/')) return isInNetwork(pattern, address);
    return globs(pattern, host) || globs(pattern, address);
  };
  const patterns = from.split(',').map((one) => one.trim());
  if (patterns.some((one) => one.startsWith('!') && matches(one.slice(1)))) return false;
  return patterns.some((one) => !one.startsWith('!') && matches(one));
}

function isInNetwork(network: string, address: string): boolean {
  const [base = '', bits = ''] = network.split('/');
  const family = isIP(base);
  if (family === 0 || family !== isIP(address) || !/^\d{1,3}$/.test(bits)) return false;
  if (Number(bits) > (family === 4 ? 32 : 128)) return false;
  const kind = family === 4 ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  list.addSubnet(base, Number(bits), kind);
  return list.check(address, kind);
}
