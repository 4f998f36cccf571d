import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import type { Pair } from '../../test/rig/pair.ts';
import { mustRun, runToEnd, startProgram } from '../child.ts';
import type { Peer } from '../peer.ts';

/** It knows nodes by names that are addresses to bind to; all of 127.0.0.0/8 is this machine. */
const hosts = { active: '127.0.0.2', passive: '127.0.0.3' } as const;

type Installed = { readonly folder: string; readonly port: number };

/** One installation a pair; the port is asked for once. */
const installed = new WeakMap<Pair, Installed>();

async function install(pair: Pair, ssl: boolean): Promise<Installed> {
  const folder = join(pair.folder, 'csync2');
  rmSync(folder, { recursive: true, force: true });
  for (const name of ['.', 'active', 'passive']) mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, 'key'), 'OfNoImportanceOnLoopbackForAsLongAsTheRowRuns123\n');
  writeFileSync(join(folder, 'csync2.cfg'), configOf(pair, folder, ssl));
  if (ssl) {
    const files = [
      '-keyout',
      join(folder, 'csync2_ssl_key.pem'),
      '-out',
      join(folder, 'csync2_ssl_cert.pem'),
    ];
    const kind = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=bench'];
    await mustRun('openssl', ['req', ...kind, ...files]);
  }
  const made = { folder, port: await freePort() };
  installed.set(pair, made);
  return made;
}

function configOf(pair: Pair, folder: string, ssl: boolean): string {
  return `${ssl ? '' : 'nossl * *;\n'}group bench {
  host ${hosts.active};
  host ${hosts.passive};
  key ${join(folder, 'key')};
  include %root%/etc;
  auto left;
}
prefix root {
  on ${hosts.active}: ${pair.active.root};
  on ${hosts.passive}: ${pair.passive.root};
}
`;
}

function commandOf({ folder, port }: Installed, node: 'active' | 'passive'): string[] {
  const own = ['-N', hosts[node], '-D', join(folder, node), '-p', String(port)];
  return [`CSYNC2_SYSTEM_DIR=${folder}`, 'csync2', ...own];
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, hosts.passive, resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

function installationOf(pair: Pair): Installed {
  const found = installed.get(pair);
  if (found === undefined) throw new Error('csync2 was not started');
  return found;
}

function csync2(options: { ssl: boolean } & Pick<Peer, 'name' | 'about' | 'mostSamples'>): Peer {
  const { ssl, ...about } = options;
  return {
    ...about,
    serve: async (pair) => {
      const made = await install(pair, ssl);
      // Without stdbuf what it says about itself stays in a buffer.
      const server = await startProgram(
        'stdbuf',
        ['-oL', 'env', ...commandOf(made, 'passive'), '-ii'],
        /daemon running/,
      );
      // Both ends remember the other one at the first connection.
      await answers(made.port);
      return server;
    },
    copy: async (pair) => {
      await mustRun('env', [...commandOf(installationOf(pair), 'active'), '-xr']);
    },
    // Compares times, sizes and modes only; exit code 2 means equal.
    verify: async (pair) => {
      await mustRun('env', [...commandOf(installationOf(pair), 'active'), '-cr']);
      const { code } = await runToEnd('env', [...commandOf(installationOf(pair), 'active'), '-T']);
      return code === 2;
    },
  };
}

function answers(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, hosts.passive, () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}

export const csync2Plain = csync2({
  ssl: false,
  name: 'csync2',
  about:
    'one `csync2 -xr` over its own TCP without SSL to a second csync2, until it ends; changes are found by size and time; no fsync',
  mostSamples: 20,
});

export const csync2Ssl = csync2({
  ssl: true,
  name: 'csync2, SSL',
  about: 'the same with SSL, its default',
  mostSamples: 20,
});
