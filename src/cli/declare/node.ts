import { type Command, Option } from 'commander';
import type { Io } from '../io.ts';
import { type Common, declare, type Ends, peerExits } from './command.ts';

/** What makes, runs and shows this node. */
export function declareNode(program: Command, io: Io, ends: Ends): void {
  declare(program, {
    name: 'init',
    summary: 'Write a commented configuration, a key pair and the state; keep what is there.',
    examples: ['init', 'init --node mail1 --role active', 'init --node mail2 --role passive'],
    exits: [],
  })
    .option('--node <NAME>', 'name of this node (asked for on a terminal)')
    .addOption(
      new Option('--role <ROLE>', 'seat to begin with (asked for on a terminal)').choices([
        'active',
        'passive',
      ]),
    )
    .action((options: { config: string; node?: string; role?: 'active' | 'passive' }) =>
      ends(import('../commands/init.ts').then(({ askAndInit }) => askAndInit(options, io))),
    );
  declare(program, {
    name: 'run',
    summary: 'The daemon, on both nodes. The seat decides what it does.',
    examples: ['run', 'run --log-format json'],
    exits: ['4  refused, with the reason'],
  })
    .addOption(
      new Option('--log-format <FORMAT>', 'one event a line').choices(['text', 'json']).default('text'),
    )
    .addOption(
      new Option('--log-level <LEVEL>', 'least important events to log')
        .choices(['error', 'warn', 'info', 'debug'])
        .default('info'),
    )
    .action(
      (options: {
        config: string;
        logFormat: 'text' | 'json';
        logLevel: 'error' | 'warn' | 'info' | 'debug';
      }) => ends(import('../commands/run.ts').then(({ runDaemon }) => runDaemon(options))),
    );
  declare(program, {
    name: 'receive',
    summary: 'The forced command of sshd on the passive node: the protocol on standard input and output.',
    examples: ['receive   # in authorized_keys: restrict,command="bm-confsync receive" ssh-ed25519 AAAA…'],
    exits: [],
  })
    .addOption(
      new Option('--log-format <FORMAT>', 'one event a line').choices(['text', 'json']).default('text'),
    )
    .action((options: { config: string; logFormat: 'text' | 'json' }) =>
      ends(import('../commands/receive.ts').then(({ receive }) => receive(options))),
    );
  declare(program, {
    name: 'status',
    summary: 'Seat, switch, peers, queue, lag, conflicts and halts.',
    examples: ['status', 'status --watch', 'status --json', 'status --nagios'],
    exits: ['1  conflicts, or a peer is not connected', '5  halted'],
  })
    .option('--watch', 'live, until q or Ctrl-C', false)
    .option('--json', 'machine-readable; with --watch one object a second', false)
    .addOption(
      new Option('--nagios', 'one line with perfdata; exits 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN')
        .default(false)
        .conflicts(['watch', 'json']),
    )
    .action(({ watch, ...options }: Common & { watch: boolean; nagios: boolean }) =>
      ends(
        watch
          ? import('../commands/watch.ts').then(({ watchStatus }) => watchStatus(options, io))
          : import('../commands/status.ts').then(({ status }) => status(options, io)),
      ),
    );
  declare(program, {
    name: 'notice',
    summary: 'What root should know at login or logout; nothing when all is well. See login-notice.sh.',
    examples: ['notice', 'notice --logout'],
    exits: [],
  })
    .option('--logout', 'only what is not on the other node yet', false)
    .action((options: { config: string; logout: boolean }) =>
      ends(import('../commands/notice.ts').then(({ notice }) => notice(options, io))),
    );
  declare(program, {
    name: 'resume',
    summary: 'Go on after a halt.',
    examples: ['resume', 'resume --allow-deletes'],
    exits: peerExits,
  })
    .option('--allow-deletes', 'carry the deletions over that caused the halt', false)
    .action((options: { config: string; allowDeletes: boolean }) =>
      ends(import('../commands/resume.ts').then(({ resume }) => resume(options, io))),
    );
}
