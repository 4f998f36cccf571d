import type { Command } from 'commander';
import { defaultConfig } from '../default-config.ts';
import type { Io } from '../io.ts';
import { declare, type Ends, peerExits } from './command.ts';

type Far = { config: string; peerCommand: string; peerConfig: string; yes: boolean };

/** What makes two nodes known to each other, and undoes it. */
export function declarePair(program: Command, io: Io, ends: Ends): void {
  withFar(
    declare(program, {
      name: 'pair',
      summary:
        'Make two nodes known to each other over your own ssh, in both directions; prove that it works.',
      examples: ['pair root@mail2', 'pair --yes --name mail2 root@192.0.2.12'],
      exits: peerExits,
    }),
  )
    .argument('<USER@HOST>', 'the other node, as your ssh takes it; root there')
    .option('--name <NAME>', 'its name, where it has no configuration yet (default: that of its host)')
    .option('--host <HOST>', 'where this node is to reach it (default: as your ssh does)')
    .option('--self-host <HOST>', 'where it is to reach this node (default: as it sees your ssh come)')
    .option(
      '--from <ADDRESS>',
      'a further address that this node comes from; may be given again',
      (address: string, before: string[]) => [...before, address],
      [],
    )
    .option('--replace', 'what the configurations say otherwise about the other node gives way', false)
    .action(
      (
        target: string,
        options: Far & { name?: string; host?: string; selfHost?: string; from: string[]; replace: boolean },
      ) => ends(import('../commands/pair.ts').then(({ pair }) => pair({ ...options, target }, io))),
    );
  withFar(
    declare(program, {
      name: 'unpair',
      summary: 'Undo `pair` on both nodes. Keys, state and versions stay.',
      examples: ['unpair', 'unpair --only-here mail2'],
      exits: peerExits,
    }),
  )
    .argument('[PEER]', 'name of the other node (default: the only one)')
    .option('--target <USER@HOST>', 'how your ssh reaches it (default: as this node does)')
    .option('--only-here', 'the other node is gone for good: leave it alone', false)
    .action((peer: string | undefined, options: Far & { target?: string; onlyHere: boolean }) =>
      ends(
        import('../commands/unpair.ts').then(({ unpair }) =>
          unpair({ ...options, ...(peer === undefined ? {} : { peer }) }, io),
        ),
      ),
    );
  program
    .command('pair-answer', { hidden: true })
    .description(
      'The half of `pair` on the other node: questions on standard input, answers on standard output.',
    )
    .option('--config <FILE>', 'configuration file', defaultConfig)
    .action((options: { config: string }) =>
      ends(import('../commands/pair-answer.ts').then(({ answerPairing }) => answerPairing(options))),
    );
}

function withFar(command: Command): Command {
  return command
    .option('--yes', 'do not ask', false)
    .option('--peer-command <COMMAND>', 'what runs bm-confsync there', 'bm-confsync')
    .option('--peer-config <FILE>', 'configuration file there', defaultConfig);
}
