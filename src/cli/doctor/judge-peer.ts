import type { Peer } from '../../config/load.ts';
import { Failure } from '../../core/failure.ts';
import { maxDoctorRows } from '../../wire/message.ts';
import { count, durationText } from '../render.ts';
import { type Check, error, listed, notChecked, ok, reachCheck, shellWord, warning } from './check.ts';
import { judgePackages, type Packages } from './packages.ts';
import type { PeerFacts, Talk } from './peer.ts';
import type { Survey } from './tree.ts';

/** What a peer is compared with. */
export type OwnFacts = {
  readonly node: string;
  readonly version: string;
  readonly digest: string | undefined;
  readonly clockSkewMs: number;
  readonly packages: Packages | undefined;
  /** Undefined: there are no watchlists to walk by. */
  readonly survey: Survey | undefined;
};

const ofPeers = ['version', 'same-watchlists', 'clock', 'owners', 'bm-packages'];

/** Everything about one peer, and how it compares with this node. */
export function judgePeer({ peer, talk }: PeerFacts, own: OwnFacts): Check[] {
  const { name } = peer;
  if (talk.kind === 'failed') {
    const silent = ofPeers.map((check) => notChecked(check, `${name} could not be asked`));
    return [...judgeFailure(peer, talk.failure), ...silent];
  }
  return [
    ok(
      reachCheck,
      `${name} answers: connected in ${durationText(talk.connectMs)}, round trip ${roundTrip(talk.roundTripMs)}`,
    ),
    ok('host-key', `${name} shows the key that is pinned (${peer.hostKey?.split(' ')[0] ?? ''})`),
    judgeVersion(name, talk, own),
    judgeDigest(name, talk, own),
    ...judgeTold(name, talk, own),
  ];
}

function roundTrip(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : durationText(ms);
}

/** The host key is compared before our key is shown, so that a refusal of ours says that theirs is right. */
function judgeFailure({ name, host, port }: Peer, { code, message, hint }: Failure): Check[] {
  switch (code) {
    case 'not-paired':
    case 'host-key-changed':
      return [
        notChecked(reachCheck, `${name} is not trusted without its host key`),
        error('host-key', message, hint),
      ];
    case 'no-identity':
      return [
        notChecked(reachCheck, `${name} is not asked without our private key`),
        notChecked('host-key', `${name} is not asked without our private key`),
      ];
    case 'authentication-refused':
      return [
        error(
          reachCheck,
          message,
          `on ${name}: bm-confsync doctor   # or here: bm-confsync pair root@${host}`,
        ),
        ok('host-key', `${name} shows the key that is pinned`),
      ];
    case 'peer-unreachable': {
      // The link ended at the other end: what it said is in the message.
      const mend = message.startsWith('cannot reach')
        ? `ping -c 3 ${host}; on ${name}: ss -tln | grep :${port} || systemctl restart ssh`
        : hint;
      return [error(reachCheck, message, mend), notChecked('host-key', `${name} could not be asked`)];
    }
    default:
      return [error(reachCheck, message, hint), notChecked('host-key', `${name} could not be asked`)];
  }
}

type Talked = Extract<Talk, { kind: 'talked' }>;

function judgeVersion(name: string, { welcome }: Talked, { node, version }: OwnFacts): Check {
  const check = 'version';
  if (welcome.version === version) return ok(check, `bm-confsync ${version} on ${node} and ${name}`);
  const found = `bm-confsync ${version} on ${node}, ${welcome.version} on ${name}`;
  return warning(check, found, 'install the same version on both nodes, then: systemctl restart bm-confsync');
}

function judgeDigest(name: string, { welcome }: Talked, { node, digest }: OwnFacts): Check {
  const check = 'same-watchlists';
  if (digest === undefined) return notChecked(check, `the watchlists of ${node} cannot be read`);
  if (welcome.watchlists === digest) return ok(check, `${node} and ${name} replicate the same paths`);
  const found = `the watchlists of ${node} and ${name} differ: some paths are not replicated`;
  return error(
    check,
    found,
    'bm-confsync watchlist list   # on both; make them the same, restart both daemons',
  );
}

function judgeTold(name: string, { told }: Talked, own: OwnFacts): Check[] {
  if (told instanceof Failure) {
    const why = `${name} does not answer doctor, as an older version does: ${told.message}`;
    return ['clock', 'owners', 'bm-packages'].map((check) => notChecked(check, why));
  }
  return [
    judgeClock(name, told.skewMs, own.clockSkewMs),
    ...judgeOwners(name, told, own.survey),
    judgePackages(own.node, name, own.packages, told.packages === null ? undefined : new Map(told.packages)),
  ];
}

/** `skewMs`: the clock of the peer minus ours. */
export function judgeClock(name: string, skewMs: number, limitMs: number): Check {
  const away = Math.abs(skewMs);
  const where = `${durationText(away)} ${skewMs < 0 ? 'behind' : 'ahead of'} this one`;
  if (away <= limitMs) return ok('clock', `the clock of ${name} is ${where}`);
  const found = `the clock of ${name} is ${where}, more than limits.clockSkew (${durationText(limitMs)})`;
  return warning('clock', found, 'timedatectl set-ntp true   # on both nodes; or: chronyc makestep');
}

type Missing = { readonly missingOwners: readonly string[]; readonly missingGroups: readonly string[] };

export function judgeOwners(peer: string, told: Missing, survey: Survey | undefined): Check[] {
  const check = 'owners';
  if (survey === undefined) return [notChecked(check, 'the watchlists cannot be read')];
  const owners = told.missingOwners.filter((name) => survey.owners.has(name));
  const groups = told.missingGroups.filter((name) => survey.groups.has(name));
  const asked = (names: ReadonlyMap<string, unknown>, one: string): string =>
    names.size > maxDoctorRows ? `${maxDoctorRows} of ${count(names.size, one)}` : count(names.size, one);
  if (owners.length + groups.length === 0)
    return [
      ok(
        check,
        `${asked(survey.owners, 'owner')} and ${asked(survey.groups, 'group')} of our files exist on ${peer}`,
      ),
    ];
  const missing = [
    ...owners.map((name) => ({
      what: 'owner',
      name,
      path: survey.owners.get(name),
      command: 'useradd --system',
    })),
    ...groups.map((name) => ({
      what: 'group',
      name,
      path: survey.groups.get(name),
      command: 'groupadd --system',
    })),
  ];
  const each = missing.map(({ what, name, path }) => `${what} ${name} (${path ?? ''})`);
  const commands = missing
    .toReversed()
    .slice(0, 4)
    .map(({ command, name }) => `${command} ${shellWord(name)}`);
  const found = `not on ${peer}, which refuses their files: ${listed(each)}`;
  return [error(check, found, `on ${peer}, unless a package makes them: ${commands.join(' && ')}`)];
}
