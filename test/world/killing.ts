import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.ts';
import type { NodeName, Pair } from './pair.ts';

const killAt = fileURLToPath(new URL('kill-at.ts', import.meta.url));

/** An event of the log, by some of its keys. */
export type Moment = Readonly<Partial<Record<'kind' | 'what' | 'step' | 'path', string>>>;
export type Where = 'daemon' | 'command' | 'receiver';

/** The file that tells a process of a node when to die. */
function killFile(config: string, where: Where): string {
  return `${config}.${where}`;
}

/** With this in its environment a process can be armed, see kill-at.ts. */
export function mortal(pair: Pair, node: NodeName, where: Where): NodeJS.ProcessEnv {
  return { NODE_OPTIONS: `--import=${killAt}`, BMCS_KILL_FILE: killFile(pair.config(node), where) };
}

/** `wrapReceive` of a pair whose receivers can be armed. */
export function mortalReceiver(command: string): string {
  const config = command.split(' ').at(-1) ?? '';
  return `env NODE_OPTIONS=--import=${killAt} BMCS_KILL_FILE=${killFile(config, 'receiver')} ${command}`;
}

/** From now on the process dies of SIGKILL, once, in the instant in which it logs this. */
export function arm(pair: Pair, node: NodeName, where: Where, moment: Moment): void {
  writeFileSync(killFile(pair.config(node), where), JSON.stringify(moment));
}

/** Waits until the process that was armed is dead. */
export async function died(pair: Pair, node: NodeName, where: Where): Promise<void> {
  const file = killFile(pair.config(node), where);
  await eventually(`the ${where} of ${node} comes to where it dies`, () => !existsSync(file));
}

/** Runs a command that dies at a moment. */
export async function runUntil(
  pair: Pair,
  node: NodeName,
  [command = '', ...words]: readonly string[],
  moment: Moment,
): Promise<void> {
  arm(pair, node, 'command', moment);
  const child = spawn(process.execPath, [pair.program, command, '--config', pair.config(node), ...words], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...mortal(pair, node, 'command') },
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const [, signal] = await once(child, 'exit');
  if (signal !== 'SIGKILL') throw new Error(`it never came to ${JSON.stringify(moment)}: ${said}`);
}
