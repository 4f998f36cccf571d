import { loadConfig } from '../../config/load.ts';
import { type Exit, Failure } from '../../core/failure.ts';
import { printable } from '../../core/path.ts';
import { agrees } from '../ask.ts';
import type { Io } from '../io.ts';
import { checkTarget, FarHalf } from '../pair/far-half.ts';
import type { Half } from '../pair/message.ts';
import { turnOut, unknownPeer } from '../pair/own-half.ts';

export type UnpairOptions = {
  readonly config: string;
  /** Name of the peer; may be left out where there is one. */
  readonly peer?: string;
  /** How ssh reaches it. Default: as this node does. */
  readonly target?: string;
  /** The peer is gone for good: only this node forgets. */
  readonly onlyHere: boolean;
  readonly peerCommand: string;
  readonly peerConfig: string;
  readonly yes: boolean;
};

/** Undoes `pair` on both nodes. Keys, state and versions stay. Throws Failures. */
export async function unpair(options: UnpairOptions, io: Io): Promise<Exit> {
  const config = loadConfig(options.config);
  const known = config.peers.find(({ name }) => name === options.peer) ?? onlyOne(options, config.peers);
  if (known === undefined) throw unknownPeer(options.peer ?? 'a peer', config);
  const { name, user, host, port } = known;
  if (!options.yes && !io.interactive) throw cannotAsk();
  const where = options.onlyHere ? `here, and leave ${name} as it is` : 'on both nodes';
  if (!options.yes && !(await agrees(`Forget the pair ${config.node} and ${name} ${where}`))) {
    io.out('nothing was changed\n');
    return 'refused';
  }
  if (!options.onlyHere) {
    const target = options.target ?? `ssh://${user}@${host.includes(':') ? `[${host}]` : host}:${port}`;
    checkTarget(target);
    using far = new FarHalf({ target, command: options.peerCommand, config: options.peerConfig });
    io.out(halfOf(name, await far.edit({ ask: 'unpair', peer: config.node })));
  }
  io.out(halfOf(config.node, await turnOut(options.config, name)));
  return 'done';
}

function onlyOne({ peer }: UnpairOptions, peers: ReturnType<typeof loadConfig>['peers']) {
  return peer === undefined && peers.length === 1 ? peers[0] : undefined;
}

function halfOf(
  name: string,
  { config, configFile, authorizedKeys, authorizedKeysFile, running }: Half,
): string {
  const line = (what: string, file: string): string =>
    `${(what === 'changed' ? 'removed' : 'kept').padEnd(8)} ${what === 'changed' ? 'from' : 'as it was:'} ${printable(file)} on ${name}\n`;
  const restart =
    running && config === 'changed'
      ? `restart  the daemon on ${name} still knows: systemctl restart bm-confsync\n`
      : '';
  return line(config, configFile) + line(authorizedKeys, authorizedKeysFile) + restart;
}

function cannotAsk(): Failure {
  return new Failure({
    code: 'cannot-ask',
    exit: 'usage',
    message: 'expected a terminal to ask on, found none',
    hint: 'run it on a terminal, or give --yes',
  });
}
