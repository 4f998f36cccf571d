import {
  chmodSync,
  constants,
  copyFileSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { EmbeddedServer } from './server.ts';

/** The folders and files of a demonstration. */
export type Stage = {
  readonly folder: string;
  readonly active: { readonly root: string; readonly config: string };
  readonly passive: { readonly root: string; readonly config: string };
};

export function makeStage(): Stage {
  const folder = mkdtempSync(join(tmpdir(), 'bm-confsync-demo-'));
  const side = (name: string): { root: string; config: string } => {
    mkdirSync(join(folder, name, 'root', 'etc'), { recursive: true });
    return { root: join(folder, name, 'root'), config: join(folder, name, 'config.yml') };
  };
  return { folder, active: side('mail1'), passive: side('mail2') };
}

/** Writes the configuration of both nodes, each with the other as its peer, as after pairing. */
export function writeConfigs(
  stage: Stage,
  servers: { readonly mail1: EmbeddedServer; readonly mail2: EmbeddedServer },
): void {
  for (const [node, side, other] of [
    ['mail1', stage.active, 'mail2'],
    ['mail2', stage.passive, 'mail1'],
  ] as const) {
    const folder = join(stage.folder, node);
    const server = servers[other];
    const identityFile = join(folder, 'id_ed25519');
    writeFileSync(identityFile, server.privateKey, { mode: 0o600 });
    const { port, hostKey } = server;
    const config = {
      node,
      root: side.root,
      state: join(folder, 'state'),
      runtime: join(folder, 'run'),
      peers: [{ name: other, host: '127.0.0.1', port, user: 'root', identityFile, hostKey }],
      watchlists: ['bluemind'],
    };
    writeFileSync(side.config, stringify(config), { mode: 0o600 });
  }
}

export type Copied = { files: number; skipped: number };

/** Copies a tree with modes, owners and times, as far as this user may. What it may not read is counted. */
export function copyTree(from: string, to: string, copied: Copied = { files: 0, skipped: 0 }): Copied {
  for (const name of readable(from, copied)) {
    const source = join(from, name);
    const target = join(to, name);
    const stats = lstatSync(source);
    try {
      if (stats.isDirectory()) {
        mkdirSync(target, { recursive: true });
        copyTree(source, target, copied);
      } else if (stats.isSymbolicLink()) symlinkSync(readlinkSync(source), target);
      else if (stats.isFile()) copyFileSync(source, target, constants.COPYFILE_EXCL);
      else continue;
      if (process.getuid?.() === 0) lchownSync(target, stats.uid, stats.gid);
      if (!stats.isSymbolicLink()) {
        chmodSync(target, stats.mode & 0o7777);
        utimesSync(target, stats.atime, stats.mtime);
      }
      copied.files += 1;
    } catch (error) {
      if (!isDenied(error)) throw error;
      copied.skipped += 1;
    }
  }
  return copied;
}

function readable(folder: string, copied: Copied): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (!isDenied(error)) throw error;
    copied.skipped += 1;
    return [];
  }
}

function isDenied(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EACCES' || code === 'EPERM' || code === 'ENOENT';
}
