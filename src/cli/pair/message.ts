import { isIP } from 'node:net';
import * as z from 'zod';
import { exitCodes } from '../../core/failure.ts';

/**
 * What the two halves of pairing say to each other over the administrator's own ssh: requests are lines of JSON on
 * the standard input of `pair-answer`, answers are lines of JSON behind a mark on its output, since a login shell may
 * print a greeting of its own. Both check every word.
 */

const nodeName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/);
const key = z.string().regex(/^ssh-ed25519 [A-Za-z0-9+/]{68}$/);
const address = z.string().refine((text) => isIP(text) !== 0 && /^[0-9a-fA-F.:]+$/.test(text));
const host = z.string().regex(/^[A-Za-z0-9.:_-]{1,255}$/);
const port = z.int().min(1).max(65_535);
const user = z.string().regex(/^[A-Za-z_][A-Za-z0-9_-]{0,31}$/);
const said = z.string().max(4000);

/** A node as the other one is to know it. */
const nodeShown = z.strictObject({
  name: nodeName,
  host,
  port,
  user,
  hostKey: key,
  publicKey: key,
  /** Addresses that it comes from. */
  from: z.array(address).min(1).max(16),
});
export type NodeShown = z.infer<typeof nodeShown>;

const request = z.discriminatedUnion('ask', [
  z.strictObject({ ask: z.literal('look') }),
  /** Makes a passive node of one that has no configuration yet. */
  z.strictObject({ ask: z.literal('make'), name: nodeName }),
  z.strictObject({ ask: z.literal('pair'), peer: nodeShown, replace: z.boolean() }),
  z.strictObject({ ask: z.literal('prove'), peer: nodeName }),
  z.strictObject({ ask: z.literal('unpair'), peer: nodeName }),
]);
export type Request = z.infer<typeof request>;

const edited = z.enum(['kept', 'changed']);
/** What became of the two files of a node. */
const half = z.strictObject({
  config: edited,
  configFile: said,
  authorizedKeys: edited,
  authorizedKeysFile: said,
  /** Whether its daemon runs, with what it read when it started. */
  running: z.boolean(),
});
export type Half = z.infer<typeof half>;

/** What a node says of itself. */
const looked = z.strictObject({
  /** Its name; undefined where it has no configuration yet. */
  name: nodeName.optional(),
  /** The first part of the name of the machine. */
  machine: said,
  version: said,
  user,
  sshPort: port,
  hostKey: key,
  role: z.enum(['active', 'passive']).optional(),
  /** Digest of its watchlists. */
  watchlists: said.optional(),
  publicKey: key.optional(),
  /** From where and to where the connection goes that asks, where ssh tells. */
  connection: z.strictObject({ client: address, server: address }).optional(),
});
export type Looked = z.infer<typeof looked>;

const failed = z.strictObject({
  kind: z.literal('failed'),
  code: said,
  message: said,
  hint: said,
  exit: z.enum(Object.keys(exitCodes) as [keyof typeof exitCodes]),
});
export type Failed = z.infer<typeof failed>;

const answer = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('looked'), looked }),
  z.strictObject({ kind: z.literal('half'), half }),
  z.strictObject({ kind: z.literal('proven'), roundTripMs: z.number().min(0) }),
  failed,
]);
export type Answer = z.infer<typeof answer>;

/** Stands before each answer. */
const mark = 'bm-confsync-pair: ';

/** No line of either side is longer, UTF-16 units. */
export const maxLine = 65_536;

export function encodeAnswer(told: Answer): string {
  return `${mark}${JSON.stringify(told)}\n`;
}

/** Undefined for a line that is no answer; throws for one that is none of ours. */
export function parseAnswer(line: string): Answer | undefined {
  if (!line.startsWith(mark)) return undefined;
  return answer.parse(JSON.parse(line.slice(mark.length)));
}

/** Throws for what is none. */
export function parseRequest(line: string): Request {
  return request.parse(JSON.parse(line));
}
