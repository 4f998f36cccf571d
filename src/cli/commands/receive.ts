import { join } from 'node:path';
import type { Exit } from '../../core/failure.ts';
import { printable } from '../../core/path.ts';
import { openLog } from '../../log/log.ts';
import { placingRight } from '../../passive/placing.ts';
import { serve } from '../../passive/serve.ts';
import { composePassive } from '../compose-passive.ts';
import { keepHeapSmall } from '../memory.ts';
import { openNode } from '../node.ts';
import { receiverHooks } from '../receiver-hooks.ts';
import { duplexOf } from '../standard-streams.ts';

/** Speaks the protocol on standard input and output. What it has to say to people goes to standard error. */
export async function receive(options: { config: string; logFormat: 'text' | 'json' }): Promise<Exit> {
  keepHeapSmall();
  const log = openLog({ format: options.logFormat, level: 'warn' });
  const node = await openNode(options.config, log);
  const stream = duplexOf(process.stdin, process.stdout);
  // A newer session of the same peer takes over: this one must place nothing more.
  process.once('SIGTERM', () => stream.destroy(new Error('superseded by a newer session')));
  const passive = composePassive(
    node,
    placingRight(join(node.config.state, 'placing.lock')),
    receiverHooks(node),
  );
  // The sender shows this beside its own end of the story.
  await serve(passive, stream, ({ kind, detail }) => {
    if (kind === 'broken') process.stderr.write(`the session broke: ${printable(detail)}\n`);
  });
  node.database.close();
  return 'done';
}
