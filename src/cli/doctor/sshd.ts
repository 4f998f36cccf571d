import { networkInterfaces } from 'node:os';
import { type Check, error, notChecked, ok, warning } from './check.ts';
import { complaintOf, type Surroundings } from './surroundings.ts';

/** What sshd would do with a peer that comes: its effective settings, by their names in lower case. */
export type Effective =
  | { readonly kind: 'settings'; readonly settings: ReadonlyMap<string, readonly string[]> }
  | { readonly kind: 'missing' }
  | { readonly kind: 'failed'; readonly complaint: string };

/** Who comes: the account it wants here, and from where. */
export type Comer = { readonly user: string; readonly host: string; readonly address: string };

/** Asks sshd itself, with the Match blocks that would hold for this peer. */
export async function effectiveSettings({ run }: Surroundings, comer: Comer): Promise<Effective> {
  const { user, host, address } = comer;
  // Where Match asks for our own end, sshd wants to be told, and refuses to answer if it is not.
  const connection = `user=${user},host=${host},addr=${address},laddr=${ownAddress()},lport=22`;
  const end = await run('sshd', ['-T', '-C', connection]);
  if (end.kind === 'missing') return { kind: 'missing' };
  if (end.kind !== 'ended' || end.code !== 0) return { kind: 'failed', complaint: complaintOf(end) };
  return { kind: 'settings', settings: parseSettings(end.stdout) };
}

/** An address of this machine that others may use. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const found = all.find(({ internal, family }) => !internal && family === 'IPv4');
  return found?.address ?? '127.0.0.1';
}

/** Lines of `name value`; a name may come again, with another value. */
export function parseSettings(text: string): Map<string, string[]> {
  const settings = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const cut = line.indexOf(' ');
    if (cut <= 0) continue;
    const name = line.slice(0, cut).toLowerCase();
    settings.set(name, [...(settings.get(name) ?? []), line.slice(cut + 1).trim()]);
  }
  return settings;
}

const name = 'sshd';
const reload = 'then: sshd -t && systemctl reload ssh || systemctl reload sshd';

/** `groups`: those of the account. */
export function judgeSshd(effective: Effective, comer: Comer, groups: readonly string[]): Check[] {
  if (effective.kind === 'missing') {
    const mend = 'apt-get install openssh-server || dnf install openssh-server';
    return [
      error(name, 'expected OpenSSH on this node, found no program sshd: no peer can send to it', mend),
    ];
  }
  if (effective.kind === 'failed') {
    const found = `sshd -T tells no settings: ${effective.complaint}`;
    // Where systemd starts sshd for each connection, nothing made it since the machine started.
    if (effective.complaint.includes('privilege separation directory'))
      return [warning(name, found, 'mkdir -p -m 0755 /run/sshd && bm-confsync doctor')];
    return [error(name, found, 'sshd -t   # as root; it names the line')];
  }
  const problems = [
    ...loginProblems(effective.settings, comer),
    ...admissionProblems(effective.settings, comer, groups),
  ];
  if (problems.length > 0) return problems;
  const root = only(effective.settings, 'permitrootlogin');
  return [ok(name, `lets ${comer.user} from ${comer.host} in by key (PermitRootLogin ${root ?? 'unknown'})`)];
}

type Settings = ReadonlyMap<string, readonly string[]>;

function only(settings: Settings, key: string): string | undefined {
  return settings.get(key)?.[0];
}

/** The words of all lines of one setting. */
function words(settings: Settings, key: string): string[] {
  return (settings.get(key) ?? []).flatMap((value) => value.split(/\s+/)).filter(Boolean);
}

function loginProblems(settings: Settings, { user, host }: Comer): Check[] {
  const wrong = (found: string, line: string): Check =>
    error(name, `${found} for ${user} from ${host}`, `set ${line} in /etc/ssh/sshd_config, ${reload}`);
  const problems: Check[] = [];
  if (user === 'root' && only(settings, 'permitrootlogin') === 'no')
    problems.push(wrong('PermitRootLogin is no', 'PermitRootLogin forced-commands-only'));
  if (only(settings, 'pubkeyauthentication') === 'no')
    problems.push(wrong('PubkeyAuthentication is no', 'PubkeyAuthentication yes'));
  if (words(settings, 'authorizedkeysfile').join() === 'none')
    problems.push(wrong('AuthorizedKeysFile is none', 'AuthorizedKeysFile .ssh/authorized_keys'));
  const methods = words(settings, 'authenticationmethods');
  if (methods.length > 0 && !methods.some((one) => one === 'any' || one === 'publickey'))
    problems.push(wrong(`AuthenticationMethods is ${methods.join(' ')}`, 'AuthenticationMethods publickey'));
  const forced = only(settings, 'forcecommand') ?? 'none';
  if (forced !== 'none')
    problems.push(wrong(`ForceCommand ${forced} stands before the command of our key`, 'ForceCommand none'));
  if (only(settings, 'maxsessions') === '0') problems.push(wrong('MaxSessions is 0', 'MaxSessions 10'));
  const ciphers = words(settings, 'ciphers').flatMap((value) => value.split(','));
  if (ciphers.length > 0 && !ciphers.some((one) => ourCiphers.includes(one)))
    problems.push(wrong('Ciphers has no AES-GCM, which we need,', `Ciphers +${ourCiphers[1] ?? ''}`));
  return problems;
}

/** What src/active/link.ts offers. */
const ourCiphers = ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'];

function admissionProblems(settings: Settings, comer: Comer, groups: readonly string[]): Check[] {
  const { user, host } = comer;
  const lists = [
    { key: 'denyusers', hits: (one: string) => matchesUser(one, comer), denies: true, label: 'DenyUsers' },
    { key: 'allowusers', hits: (one: string) => matchesUser(one, comer), denies: false, label: 'AllowUsers' },
    {
      key: 'denygroups',
      hits: (one: string) => groups.some((group) => globs(one, group)),
      denies: true,
      label: 'DenyGroups',
    },
    {
      key: 'allowgroups',
      hits: (one: string) => groups.some((group) => globs(one, group)),
      denies: false,
      label: 'AllowGroups',
    },
  ];
  return lists.flatMap(({ key, hits, denies, label }) => {
    const patterns = words(settings, key);
    if (patterns.length === 0 || patterns.some(hits) === !denies) return [];
    if (!denies && patterns.some((one) => one.includes('/')))
      return [
        notChecked(name, `${label} ${patterns.join(' ')} names networks: see whether ${host} is in one`),
      ];
    const found = `${label} ${patterns.join(' ')} keeps ${user} from ${host} out`;
    const mend = denies
      ? `take ${user} out of ${label}`
      : `add ${key === 'allowusers' ? user : (groups[0] ?? user)} to ${label}`;
    return [error(name, found, `${mend} in /etc/ssh/sshd_config, ${reload}`)];
  });
}

/** `USER` or `USER@HOST` with `*` and `?`, as sshd has it; networks in CIDR are for a person to look at. */
function matchesUser(pattern: string, { user, host, address }: Comer): boolean {
  const cut = pattern.lastIndexOf('@');
  if (cut < 0) return globs(pattern, user);
  const from = pattern.slice(cut + 1);
  return globs(pattern.slice(0, cut), user) && (globs(from, host) || globs(from, address));
}

/** Whether `*` and `?` of the pattern make it the text. */
export function globs(pattern: string, text: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's').test(text);
}

/** Where sshd looks for the keys of an account. `home`: of the account. */
export function keyFiles(effective: Effective, user: string, home: string): string[] {
  if (effective.kind !== 'settings') return [];
  const patterns = words(effective.settings, 'authorizedkeysfile').filter((one) => one !== 'none');
  return patterns.map((pattern) => {
    const path = pattern.replace(
      /%([%hu])/g,
      (_, token: string) => ({ '%': '%', h: home, u: user })[token] ?? '',
    );
    return path.startsWith('/') ? path : `${home}/${path}`;
  });
}

/** Whether sshd ignores files that others could have written. */
export function isStrict(effective: Effective): boolean {
  return effective.kind === 'settings' && only(effective.settings, 'strictmodes') !== 'no';
}
