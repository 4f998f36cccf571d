import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../config/duration.ts';
import type { Exit } from '../core/failure.ts';
import { parseReplicaPath, printable, type ReplicaPath } from '../core/path.ts';
import { type Io, processIo } from './io.ts';
import { productVersion } from './product.ts';

export const defaultConfig = '/etc/bm-confsync/config.yml';

type Common = { config: string; json: boolean };

/** A command of the program: its words here, its work in a file of its own that is loaded when it runs. */
type Declared = {
  readonly name: string;
  readonly summary: string;
  readonly examples: readonly string[];
  /** Exit codes beyond 0 and 2, with what they mean here. */
  readonly exits: readonly string[];
};

const peerExits = ['3  a peer could not be reached', '4  refused, with the reason'];

/** Parses the command line, runs the command, and says how it ended. Throws Failures. */
export async function run(argv: readonly string[], io: Io = processIo()): Promise<Exit> {
  const program = new Command('bm-confsync')
    .description(
      'Keeps the configuration of a passive BlueMind node the same as the active one, in real time.',
    )
    .version(productVersion, '-V, --version', 'print the version')
    .helpCommand(false)
    .showHelpAfterError('(see bm-confsync COMMAND --help)')
    .configureOutput({
      writeOut: io.out,
      writeErr: io.err,
      // What was typed is repeated in the message, whatever it was.
      outputError: (text, write) => write(`${text.trimEnd().split('\n').map(printable).join('\n')}\n`),
    })
    .exitOverride()
    .addHelpText(
      'after',
      '\nExit codes: 0 done, in sync · 1 drift or conflicts · 2 usage or configuration · 3 peer unreachable · 4 refused · 5 halted · 70 bug',
    );
  let exit: Exit = 'done';
  const ends = (result: Promise<Exit>): Promise<void> =>
    result.then((code) => {
      exit = code;
    });
  declareNode(program, io, ends);
  declareTree(program, io, ends);
  declareOther(program, io, ends);
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 'done' : 'usage';
  }
  return exit;
}

type Ends = (result: Promise<Exit>) => Promise<void>;

function declare(program: Command, about: Declared): Command {
  const exits = ['0  done', ...about.exits, '2  usage or configuration'].sort();
  return program
    .command(about.name)
    .description(about.summary)
    .option('--config <FILE>', 'configuration file', defaultConfig)
    .addHelpText(
      'after',
      `\nExamples:\n${about.examples.map((line) => `  $ bm-confsync ${line}`).join('\n')}\n\nExit codes:\n${exits.map((line) => `  ${line}`).join('\n')}`,
    );
}

function declareNode(program: Command, io: Io, ends: Ends): void {
  declare(program, {
    name: 'init',
    summary: 'Write a commented configuration, a key pair and the state; keep what is there.',
    examples: ['init --node mail1 --role active', 'init --node mail2 --role passive'],
    exits: [],
  })
    .requiredOption('--node <NAME>', 'name of this node')
    .addOption(
      new Option('--role <ROLE>', 'seat to begin with').choices(['active', 'passive']).makeOptionMandatory(),
    )
    .action((options: { config: string; node: string; role: 'active' | 'passive' }) =>
      ends(import('./commands/init.ts').then(({ init }) => init(options, io))),
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
      }) => ends(import('./commands/run.ts').then(({ runDaemon }) => runDaemon(options))),
    );
  declare(program, {
    name: 'receive',
    summary: 'The forced command of sshd on the passive node: the protocol on standard input and output.',
    examples: ['receive   # in authorized_keys: restrict,command="bm-confsync receive" ssh-ed25519 AAAA…'],
    exits: [],
  }).action((options: { config: string }) =>
    ends(import('./commands/receive.ts').then(({ receive }) => receive(options))),
  );
  declare(program, {
    name: 'status',
    summary: 'Seat, switch, peers, queue, lag, conflicts and halts.',
    examples: ['status', 'status --json'],
    exits: ['1  conflicts, or a peer is not connected', '5  halted'],
  })
    .option('--json', 'machine-readable', false)
    .action((options: Common) =>
      ends(import('./commands/status.ts').then(({ status }) => status(options, io))),
    );
  declare(program, {
    name: 'resume',
    summary: 'Go on after a halt.',
    examples: ['resume', 'resume --allow-deletes'],
    exits: peerExits,
  })
    .option('--allow-deletes', 'carry the deletions over that caused the halt', false)
    .action((options: { config: string; allowDeletes: boolean }) =>
      ends(import('./commands/resume.ts').then(({ resume }) => resume(options, io))),
    );
}

function declareTree(program: Command, io: Io, ends: Ends): void {
  declare(program, {
    name: 'verify',
    summary: 'Compare both nodes and change nothing.',
    examples: ['verify', 'verify --diff', 'verify --full --json', 'verify --nagios'],
    exits: ['1  drift found', ...peerExits],
  })
    .option('--full', 'read every file again on both nodes, and compare mtimes too', false)
    .option('--diff', 'show what differs: unified for text, sizes for binary', false)
    .option('--json', 'machine-readable', false)
    .option('--nagios', 'one line with perfdata; exits 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN', false)
    .action((options: Common & { full: boolean; diff: boolean; nagios: boolean }) =>
      ends(import('./commands/verify.ts').then(({ verify }) => verify(options, io))),
    );
  declare(program, {
    name: 'resync',
    summary:
      'Make the passive node equal to the active one. Whatever is overwritten there is kept as a version.',
    examples: ['resync --dry-run', 'resync --yes', 'resync /etc/postfix'],
    exits: ['1  some paths could not be made equal', ...peerExits, '5  halted'],
  })
    .argument('[PATH...]', 'only these and what is below them', replicaPaths, [])
    .option('--dry-run', 'show what would be done', false)
    .option('--yes', 'do not ask', false)
    .option('--json', 'machine-readable', false)
    .action((paths: ReplicaPath[], options: Common & { dryRun: boolean; yes: boolean }) =>
      ends(
        import('./commands/resync.ts').then(({ resyncCommand }) => resyncCommand({ ...options, paths }, io)),
      ),
    );
  declare(program, {
    name: 'flush',
    summary: 'Return when every peer has made durable all that was changed so far.',
    examples: ['flush', 'flush /etc/postfix/main.cf --timeout 5s'],
    exits: ['1  some paths are held back, each is named', ...peerExits, '5  halted'],
  })
    .argument('[PATH...]', 'only these and what is below them', replicaPaths, [])
    .option('--timeout <DURATION>', 'how long to wait', duration, 30_000)
    .option('--json', 'machine-readable', false)
    .action((paths: ReplicaPath[], options: Common & { timeout: number }) =>
      ends(import('./commands/flush.ts').then(({ flush }) => flush({ ...options, paths }, io))),
    );
  declare(program, {
    name: 'explain',
    summary:
      'Why a path is in or out, its entry on each node, the agreed one, what is pending, the last error.',
    examples: ['explain /etc/postfix/main.cf'],
    exits: peerExits,
  })
    .argument('<PATH>', 'absolute path', replicaPath)
    .option('--json', 'machine-readable', false)
    .action((path: ReplicaPath, options: Common) =>
      ends(import('./commands/explain.ts').then(({ explain }) => explain({ ...options, path }, io))),
    );
}

function declareOther(program: Command, io: Io, ends: Ends): void {
  const watchlist = program.command('watchlist').description('What is replicated, and why.');
  declare(watchlist, {
    name: 'list',
    summary: 'Every rule with file and line.',
    examples: ['watchlist list'],
    exits: [],
  })
    .option('--json', 'machine-readable', false)
    .action((options: Common) =>
      ends(import('./commands/watchlist.ts').then(({ listRules }) => listRules(options, io))),
    );
  declare(watchlist, {
    name: 'test',
    summary: 'Why a path is in or out: the rule and its line.',
    examples: ['watchlist test /etc/hostname'],
    exits: ['1  the path is not replicated'],
  })
    .argument('<PATH>', 'absolute path', replicaPath)
    .option('--json', 'machine-readable', false)
    .action((path: ReplicaPath, options: Common) =>
      ends(import('./commands/watchlist.ts').then(({ testPath }) => testPath({ ...options, path }, io))),
    );
  program
    .command('demo')
    .description('The whole job in one command, on throwaway folders. Reads /etc, writes nothing there.')
    .option('--once', 'end after the tour; 0 when everything it showed was true', false)
    .addHelpText(
      'after',
      '\nExamples:\n  $ bm-confsync demo\n  $ bm-confsync demo --once\n\nExit codes:\n  0  everything shown was checked to be true\n  1  something was not',
    )
    .action((options: { once: boolean }) =>
      ends(import('./commands/demo.ts').then(({ demo }) => demo(options, io))),
    );
}

function replicaPath(raw: string): ReplicaPath {
  const trimmed = raw.length > 1 ? raw.replace(/\/+$/, '') : raw;
  const parsed = parseReplicaPath(trimmed);
  if (parsed.ok) return parsed.path;
  throw new InvalidArgumentError(
    `expected an absolute path without . or .., found one that is ${parsed.fault}`,
  );
}

function replicaPaths(raw: string, before: ReplicaPath[]): ReplicaPath[] {
  return [...before, replicaPath(raw)];
}

function duration(raw: string): number {
  const parsed = parseDuration(raw);
  if (parsed === undefined)
    throw new InvalidArgumentError(
      `expected a duration such as 500ms, 30s or 5m, found ${JSON.stringify(raw)}`,
    );
  return parsed;
}
