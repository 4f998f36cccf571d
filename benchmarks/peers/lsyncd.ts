import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pair } from '../../test/rig/pair.ts';
import { startProgram } from '../child.ts';
import { etcOf, type Following, type Peer } from '../peer.ts';
import { sshCommand, targetOf } from './rsync.ts';

/** `delay`: seconds in which lsyncd gathers events; 15 is its default. */
function lsyncd(delay: number, more: Pick<Peer, 'mostSamples'>): Peer {
  const start = (pair: Pair): Promise<Following> => {
    const file = join(pair.folder, `lsyncd-${delay}.lua`);
    writeFileSync(file, configOf(pair, delay));
    // It copies everything over first, then says so.
    return startProgram('lsyncd', ['-nodaemon', file], /Startup of .* finished/);
  };
  return {
    name: `lsyncd, delay ${delay}`,
    about: `inotify and rsync over ssh, events gathered for ${delay} s${delay === 15 ? ', its default' : ''}; until the files are seen; no fsync`,
    ...more,
    follow: start,
    copy: async (pair) => {
      await using _running = await start(pair);
    },
  };
}

function configOf(pair: Pair, delay: number): string {
  return `settings { nodaemon = true }
sync {
  default.rsync,
  source = "${etcOf(pair, 'active')}",
  target = "${targetOf(pair)}",
  delay = ${delay},
  rsync = { archive = true, rsh = "${sshCommand(pair).join(' ')}" },
}
`;
}

export const lsyncdNow = lsyncd(0, { mostSamples: 30 });
export const lsyncdSoon = lsyncd(1, { mostSamples: 12 });
export const lsyncdDefault = lsyncd(15, { mostSamples: 2 });
