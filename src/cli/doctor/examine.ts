import { userInfo } from 'node:os';
import { join } from 'node:path';
import { askDaemon } from '../../control/client.ts';
import { Failure } from '../../core/failure.ts';
import type { Role } from '../../core/seat.ts';
import { readInotifyLimits } from '../../watch/limits.ts';
import { maxDoctorRows } from '../../wire/message.ts';
import { productVersion } from '../product.ts';
import type { Status } from '../status.ts';
import { judgeForcedCommand, readKeyFiles } from './authorized-keys.ts';
import { type Check, error, noConfiguration, notChecked, ok, reachCheck, warning } from './check.ts';
import { fencingOf, judgeFencing } from './fencing.ts';
import { fileSystemsOf, judgeExchange, judgeXattrs } from './file-systems.ts';
import { type Ground, initCommand, judgeConfiguration, judgeSeat, readGround } from './ground.ts';
import { instancesInUse, judgeInotify } from './inotify.ts';
import { judgePeer } from './judge-peer.ts';
import { guardedBy, judgeModes } from './modes.ts';
import { judgeOtherTools, otherTools } from './other-tools.ts';
import { blueMindPackages } from './packages.ts';
import { type PeerFacts, seePeer } from './peer.ts';
import { judgeSpace, spaceOf } from './space.ts';
import { type Comer, type Effective, effectiveSettings, isStrict, judgeSshd, keyFiles } from './sshd.ts';
import { type Surroundings, textOf } from './surroundings.ts';
import { judgeLinks, judgeListedFiles, type Survey, surveyTree } from './tree.ts';
import { judgeWatchlists } from './watchlists.ts';

/** What doctor found, and on which node. */
export type Examined = { readonly ground: Ground; readonly checks: readonly Check[] };

/** Looks at everything that can be looked at, whatever is broken. Changes nothing on either node. */
export async function examine(
  file: string,
  surroundings: Surroundings,
  see: typeof seePeer = seePeer,
): Promise<Examined> {
  const ground = readGround(file);
  const { config, watchlists } = ground;
  const survey =
    config === undefined || watchlists === undefined ? undefined : surveyTree(config.root, watchlists);
  const [daemon, peers] = await Promise.all([seeDaemon(ground), seePeers(ground, survey, see)]);
  const checks = [
    judgeConfiguration(ground),
    ...judgeModes(guardedBy(file, config), process.geteuid?.() ?? 0, initCommand(ground)),
    judgeSeat(ground),
    judgeDaemon(daemon),
    ...(await checkPeers(ground, peers, survey, surroundings)),
    ...(await checkWayIn(ground, peers, surroundings)),
    ...checkTree(ground, survey, daemon, surroundings),
    ...judgeOtherTools(otherTools(surroundings, rootsOf(ground))),
    judgeFencing(await fencingOf(surroundings), config?.role),
  ];
  return { ground, checks: withoutRepeats(checks) };
}

/** What holds for each of several peers is said once. */
function withoutRepeats(checks: readonly Check[]): Check[] {
  return [...new Map(checks.map((check) => [JSON.stringify(check), check])).values()];
}

type Daemon =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'silent'; readonly failure: Failure }
  | { readonly kind: 'down' }
  | { readonly kind: 'up'; readonly degraded: string | null };

/** A daemon that does not answer within this has a problem, milliseconds. */
const daemonMs = 5000;

async function seeDaemon({ config }: Ground): Promise<Daemon> {
  if (config === undefined) return { kind: 'unknown' };
  try {
    const { runtime } = config;
    const asked = await askDaemon({ runtime, command: 'status', args: {}, timeoutMs: daemonMs });
    return asked.answered
      ? { kind: 'up', degraded: (asked.value as Status).watching.degraded }
      : { kind: 'down' };
  } catch (problem) {
    if (problem instanceof Failure) return { kind: 'silent', failure: problem };
    throw problem;
  }
}

function judgeDaemon(daemon: Daemon): Check {
  const name = 'daemon';
  switch (daemon.kind) {
    case 'unknown':
      return notChecked(name, noConfiguration);
    case 'silent':
      return error(name, daemon.failure.message, daemon.failure.hint);
    case 'down':
      return error(
        name,
        'the daemon does not run: no change is sent from here, and edits on the wrong node go unnoticed',
        'systemctl enable --now bm-confsync',
      );
    case 'up':
      return ok(name, 'the daemon runs and answers');
  }
}

function seatIn({ seat }: Ground) {
  return seat.kind === 'seat' ? seat.seat : undefined;
}

function seePeers(ground: Ground, survey: Survey | undefined, see: typeof seePeer): Promise<PeerFacts[]> {
  const { config, watchlists } = ground;
  if (config === undefined) return Promise.resolve([]);
  const asking = {
    config,
    seat: seatIn(ground),
    digest: watchlists?.digest,
    owners: bounded(survey?.owners),
    groups: bounded(survey?.groups),
  };
  return Promise.all(config.peers.map((peer) => see(peer, asking)));
}

/** More owners than that have no more than their first asked for. */
function bounded(names: ReadonlyMap<string, unknown> | undefined): string[] {
  return [...(names?.keys() ?? [])].filter((name) => name.length <= 256).slice(0, maxDoctorRows);
}

async function checkPeers(
  { config, watchlists, file }: Ground,
  peers: readonly PeerFacts[],
  survey: Survey | undefined,
  surroundings: Surroundings,
): Promise<Check[]> {
  if (config === undefined) return [notChecked(reachCheck, noConfiguration)];
  if (peers.length === 0) {
    const found = 'no peer is configured: this node sends to nobody, nor could it after a failover';
    return [warning(reachCheck, found, `bm-confsync pair root@PEER   # or set peers: in ${file}`)];
  }
  const packages = await blueMindPackages(surroundings);
  const own = {
    node: config.node,
    version: productVersion,
    digest: watchlists?.digest,
    clockSkewMs: config.limits.clockSkewMs,
    packages,
    survey,
  };
  return peers.flatMap((peer) => judgePeer(peer, own));
}

/** The way of each peer to the receiver of this node. */
async function checkWayIn(
  ground: Ground,
  peers: readonly PeerFacts[],
  surroundings: Surroundings,
): Promise<Check[]> {
  const account = userInfo();
  const user = account.username;
  const groups = await groupsOf(user, surroundings);
  if (peers.length === 0) {
    const comer = { user, host: 'localhost', address: '127.0.0.1' };
    const effective = await effectiveSettings(surroundings, comer);
    const why = ground.config === undefined ? noConfiguration : 'no peer is configured';
    return [...judgeSshd(effective, comer, groups), notChecked('forced-command', why)];
  }
  const checks: Check[] = [];
  for (const facts of peers) {
    const comer = { user, host: facts.peer.host, address: facts.address };
    const effective = await effectiveSettings(surroundings, comer);
    checks.push(...judgeSshd(effective, comer, groups));
    checks.push(...checkForcedCommand(facts, { comer, effective, account, role: seatIn(ground)?.role }));
  }
  return checks;
}

type WayIn = {
  readonly comer: Comer;
  readonly effective: Effective;
  readonly account: { readonly uid: number; readonly homedir: string };
  readonly role: Role | undefined;
};

function checkForcedCommand({ talk, peer }: PeerFacts, { comer, effective, account, role }: WayIn): Check[] {
  const home = account.homedir;
  const paths = keyFiles(effective, comer.user, home);
  const [expectedIn] = paths;
  if (expectedIn === undefined)
    return [notChecked('forced-command', 'sshd does not tell where it reads keys')];
  const told = talk.kind === 'talked' && !(talk.told instanceof Failure) ? talk.told : undefined;
  return judgeForcedCommand({
    peer: peer.name,
    comer,
    role,
    files: readKeyFiles(paths, { uid: account.uid, home }),
    strict: isStrict(effective),
    expectedIn,
    peerKeys: told?.publicKeys,
  });
}

async function groupsOf(user: string, { run }: Surroundings): Promise<string[]> {
  const end = await run('id', ['-Gn', user]);
  return end.kind === 'ended' && end.code === 0 ? end.stdout.trim().split(/\s+/) : [user];
}

const ofTree = ['watchlists', 'listed-files', 'links', 'xattrs', 'exchange', 'space', 'inotify'];

function checkTree(
  { config, watchlists }: Ground,
  survey: Survey | undefined,
  daemon: Daemon,
  { proc, renames }: Surroundings,
): Check[] {
  if (config === undefined || watchlists === undefined || survey === undefined)
    return ofTree.map((name) => notChecked(name, noConfiguration));
  const state = spaceOf([config.state])[0]?.path ?? config.state;
  const folders = [...new Set([state, ...survey.places])];
  const mountinfo = textOf(join(proc, 'self', 'mountinfo')) ?? '';
  const probed = state === config.state ? state : undefined;
  const systems = fileSystemsOf(folders, { mountinfo, state: probed, renames });
  return [
    ...judgeWatchlists(watchlists.rules, survey),
    judgeListedFiles(survey, watchlists.literals.length),
    judgeLinks(survey, watchlists.roots),
    judgeXattrs(systems),
    judgeExchange(systems),
    ...judgeSpace(spaceOf(folders), config.limits.minFreeDiskBytes),
    ...judgeInotify({
      limits: readInotifyLimits(proc),
      instancesInUse: instancesInUse(proc, process.geteuid?.() ?? 0),
      directories: survey.directories,
      daemon: daemon.kind === 'up' ? { degraded: daemon.degraded } : undefined,
    }),
  ];
}

/** The replicated tree as paths of this machine; all of /etc while that is not known. */
function rootsOf({ config, watchlists }: Ground): string[] {
  if (config === undefined || watchlists === undefined) return ['/etc'];
  return watchlists.roots.map((one) => join(config.root, one));
}
