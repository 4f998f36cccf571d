import * as z from 'zod';
import { askPeer } from '../../active/questions.ts';
import type { Reply, Request } from '../../control/protocol.ts';
import { Failure } from '../../core/failure.ts';
import { path } from '../../wire/entry.ts';
import { openConversation } from '../connect.ts';
import { type Node, requireActive } from '../node.ts';
import { restoreArgs, restoreVersion } from '../restore.ts';
import type { ResyncAnswer } from './answers.ts';
import type { Daemon } from './daemon.ts';
import { statusOf } from './status.ts';
import type { Tap } from './tap.ts';

/** `configuration`: only where the daemon runs by this one, see fileStamp. */
const resyncArgs = z.object({ paths: z.array(path), configuration: z.string().optional() });
const flushArgs = z.object({ paths: z.array(path), timeoutMs: z.number().nonnegative() });
const verifyArgs = z.object({ full: z.boolean() });
const resumeArgs = z.object({ allowDeletes: z.boolean() });
const pathArgs = z.object({ path });
const resolveArgs = z.object({ ids: z.array(z.string()), take: z.enum(['active', 'passive']) });
const demoteArgs = z.object({ epoch: z.int().positive().optional() });
const splitBrainArgs = z.object({ peer: z.string() });

/** `tap`: what went by lately, where somebody may watch. */
type Context = { readonly node: Node; readonly daemon: Daemon; readonly tap?: Tap };

type Handler = (context: Context, args: unknown, reply: Reply, signal: AbortSignal) => Promise<unknown>;

/** What the daemon does when the command line, or a receiver of this node, asks. */
const handlers: Readonly<Record<string, Handler>> = {
  watch,
  status: async ({ node, daemon }) => statusOf(node, daemon),
  flush: ({ daemon }, args, _reply, signal) => daemon.requireActive().flush(flushArgs.parse(args), signal),
  verify: async ({ node, daemon }, args) => {
    requireActive(node, 'verify');
    // While it starts it has no session yet, whatever its seat.
    const { config, configuration } = node;
    const none = { node: config.node, configuration, peers: [] };
    return (await daemon.active?.verify(verifyArgs.parse(args).full)) ?? none;
  },
  resync: async ({ node, daemon }, args, reply): Promise<ResyncAnswer> => {
    const { paths, configuration = node.configuration } = resyncArgs.parse(args);
    const active = daemon.requireActive();
    return configuration === node.configuration ? active.resync(paths, reply) : { peers: [] };
  },
  resume: ({ daemon }, args) => daemon.requireActive().resume(resumeArgs.parse(args).allowDeletes),
  explain: async ({ daemon }, args) =>
    daemon.active?.explain(pathArgs.parse(args).path) ?? { pending: false, peers: [] },
  restore: ({ node }, args) => restoreVersion(node, restoreArgs.parse(args)),
  resolve: (context, args) => resolve(context, resolveArgs.parse(args)),
  demote: ({ daemon }, args) => daemon.demote(demoteArgs.parse(args).epoch),
  reconciled: async ({ daemon }) => (await daemon.active?.reconciled()) ?? null,
  'state-changed': async ({ daemon }) => {
    await daemon.follow();
    return null;
  },
  'split-brain': async ({ daemon }, args) => {
    daemon.splitBrain(splitBrainArgs.parse(args).peer);
    return null;
  },
  listen: ({ daemon }, _args, reply, signal) => listen(daemon, reply, signal),
};

/** What is told from the first moment, and what the start itself may have to wait for. */
const atOnce: ReadonlySet<string> = new Set(['watch', 'listen', 'state-changed', 'split-brain']);

/** Serves one request of the control socket. Throws Failures. Who asks while the daemon starts gets the answer of the seat that it takes. */
export async function serveRequest(
  context: Context,
  request: Request,
  reply: Reply,
  signal: AbortSignal,
): Promise<unknown> {
  const handler = Object.hasOwn(handlers, request.command) ? handlers[request.command] : undefined;
  if (handler !== undefined) {
    if (!atOnce.has(request.command)) await context.daemon.begun();
    return handler(context, request.args, reply, signal);
  }
  throw new Failure({
    code: 'unknown-request',
    exit: 'usage',
    message: `the daemon does not know the request ${JSON.stringify(request.command)}`,
    hint: 'the command line is newer than the daemon: restart the service',
  });
}

/** On the passive the active is asked: it carries the files. */
async function resolve(
  { node, daemon }: { readonly node: Node; readonly daemon: Daemon },
  args: z.infer<typeof resolveArgs>,
): Promise<unknown> {
  if (daemon.active !== undefined) return daemon.active.resolve(args);
  const name = node.facts.get('active')?.value;
  const peer = node.config.peers.find((one) => one.name === name);
  if (peer === undefined) {
    throw new Failure({
      code: 'no-active',
      exit: 'refused',
      message: `expected the active node among the peers of ${node.config.node}, found ${name === undefined ? 'that none has connected yet' : `only that ${name} is not configured`}`,
      hint: 'run it on the active node, or add that node to `peers`',
    });
  }
  const { session, close } = await openConversation(node, peer, 'request');
  try {
    return await askPeer(session, { do: 'resolve', ...args });
  } finally {
    close();
  }
}

/** Between two pictures for one who watches, milliseconds. */
const pictureMs = 1000;

/** Tells how the node is, now and every second, until the one who watches goes away. */
async function watch({ node, daemon, tap }: Context, _args: unknown, reply: Reply, signal: AbortSignal) {
  const tell = (): void => reply.progress({ status: statusOf(node, daemon), ...tap?.told() });
  tell();
  const ticking = setInterval(tell, pictureMs);
  try {
    await ended(signal);
  } finally {
    clearInterval(ticking);
  }
  return null;
}

/** Tells a receiver what happens on this node, until it goes away. */
async function listen(daemon: Daemon, reply: Reply, signal: AbortSignal): Promise<null> {
  using _listening = daemon.listen({
    onEdited: (paths) => reply.progress({ paths }),
    onChanged: () => reply.progress({ changed: true }),
  });
  await ended(signal);
  return null;
}

async function ended(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', resolve, { once: true });
  });
}
