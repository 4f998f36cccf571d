import { type Exit, Failure } from '../../core/failure.ts';
import { printable } from '../../core/path.ts';
import { type Print, printsOf } from '../../files/print.ts';
import { openTree } from '../compose-active.ts';
import type { Io } from '../io.ts';
import { openNode } from '../node.ts';
import { count, paint } from '../render.ts';

export type FingerprintCommand = {
  readonly config: string;
  readonly scope: string | undefined;
  readonly full: boolean;
  readonly json: boolean;
};

/** Unread paths that are named. */
const namedUnread = 3;

/** Prints what two people on the telephone compare. Asks neither the daemon nor a peer. */
export async function fingerprint(options: FingerprintCommand, io: Io): Promise<Exit> {
  // Nothing is done that could be logged, so that no log is loaded.
  const node = await openNode(options.config, () => undefined);
  try {
    const { scopes } = node.watchlists;
    const { scope } = options;
    const wanted = scope === undefined ? scopes : scopes.filter(({ name }) => name === scope);
    if (wanted.length === 0) throw noSuchScope(options.scope ?? '', scopes);
    const prints = await printsOf(openTree(node).walk({ fresh: options.full }), wanted);
    node.cache.commit();
    const { role } = node.seat();
    if (options.json) io.out(`${JSON.stringify({ node: node.config.node, role, scopes: prints })}\n`);
    else show(node.config.node, role, prints, io);
    return 'done';
  } finally {
    node.database.close();
  }
}

function show(name: string, role: string, prints: readonly Print[], io: Io): void {
  const width = Math.max(...prints.map((print) => print.name.length));
  io.out(`${paint(io, 'bold', printable(name))}, ${role}\n`);
  for (const { name: scope, fingerprint: text, paths } of prints)
    io.out(`  ${scope.padEnd(width)}  ${paint(io, 'bold', text)}  ${count(paths, 'path')}\n`);
  const unread = [...new Set(prints.flatMap((print) => print.unread))];
  for (const path of unread.slice(0, namedUnread))
    io.out(
      `  ${paint(io, 'yellow', 'not read')}: ${printable(path)}: what it holds does not count; see \`bm-confsync explain\`\n`,
    );
  if (unread.length > namedUnread)
    io.out(`  … and ${unread.length - namedUnread} more: bm-confsync fingerprint --json\n`);
}

function noSuchScope(found: string, scopes: readonly { readonly name: string }[]): Failure {
  return new Failure({
    code: 'no-such-scope',
    exit: 'usage',
    message: `expected a scope, one of ${scopes.map(({ name }) => name).join(', ')}; found ${JSON.stringify(found)}`,
    hint: 'without a name all of them are shown; a watchlist defines more with `scopes: [{ name: ldap, match: [/etc/ldap/**] }]`',
  });
}
