import { maxDoctorRows } from '../../wire/message.ts';
import { count } from '../render.ts';
import { type Check, error, listed, notChecked, ok } from './check.ts';
import type { Surroundings } from './surroundings.ts';

/** Names and versions of packages. */
export type Packages = ReadonlyMap<string, string>;

/** What dpkg-query fills in: a row a package. */
const debianRow = ['db:Status-Status', 'Package', 'Version'].map((field) => `\${${field}}`).join(' ');

/** The installed packages of BlueMind, ourselves left out, at most as many as a peer tells; undefined where no package manager is known. */
export async function blueMindPackages({ run }: Surroundings): Promise<Packages | undefined> {
  const debian = await run('dpkg-query', ['-W', '-f', `${debianRow}\\n`, 'bm-*']);
  const redHat = await run('rpm', ['-qa', '--qf', 'installed %{NAME} %{VERSION}-%{RELEASE}\\n', 'bm-*']);
  if (debian.kind !== 'ended' && redHat.kind !== 'ended') return undefined;
  // Both say by their exit code that there is no such package, too.
  const lines = [debian, redHat].flatMap((end) => (end.kind === 'ended' ? end.stdout.split('\n') : []));
  const rows = lines.map((line) => line.trim().split(' ')).filter(([status]) => status === 'installed');
  const named = rows.flatMap(([, name, version]): [string, string][] =>
    name === undefined || version === undefined || name.startsWith('bm-confsync') ? [] : [[name, version]],
  );
  return new Map(named.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, maxDoctorRows));
}

const check = 'bm-packages';

/** `theirs` undefined: the peer has no package manager that is known. */
export function judgePackages(
  node: string,
  peer: string,
  ours: Packages | undefined,
  theirs: Packages | undefined,
): Check {
  if (ours === undefined || theirs === undefined) {
    const who = ours === undefined ? node : peer;
    return notChecked(check, `neither dpkg-query nor rpm on ${who}: the packages of BlueMind are not known`);
  }
  const names = [...new Set([...ours.keys(), ...theirs.keys()])].sort();
  const differing = names.filter((name) => ours.get(name) !== theirs.get(name));
  if (differing.length === 0) {
    const found =
      names.length === 0
        ? `no package bm-* on ${node} nor on ${peer}`
        : `${count(names.length, 'package')} bm-* of the same versions on ${node} and ${peer}`;
    return ok(check, found);
  }
  const each = differing.map(
    (name) => `${name} ${ours.get(name) ?? 'none'} here, ${theirs.get(name) ?? 'none'} on ${peer}`,
  );
  const found = `${differing.length} of ${count(names.length, 'package')} of BlueMind differ: ${listed(each, 3)}`;
  return error(
    check,
    found,
    `bring both nodes to one version: apt-get update && apt-get dist-upgrade, or dnf upgrade 'bm-*'`,
  );
}
