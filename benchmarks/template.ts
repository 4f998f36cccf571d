import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeTree } from '../test/rig/tree.ts';
import { mustRun } from './child.ts';
import type { Size } from './row.ts';

type Template = { readonly folder: string; readonly paths: readonly string[] };

/** Trees of this process by their size: to copy one is much faster than to make it. */
const templates = new Map<string, Template>();

/**
 * Copies a tree of that size, the same at each call, into `folder`, which is made. Returns the paths of its
 * files relative to `folder`.
 */
export async function plantTree(folder: string, size: Size): Promise<readonly string[]> {
  const { files, bytes, directories, seed } = size;
  const key = [files, bytes, directories, seed].join(' ');
  const template = templates.get(key) ?? make(key, size);
  await mustRun('mkdir', ['-p', folder]);
  await mustRun('cp', ['-a', `${join(template.folder, 'etc')}/.`, folder]);
  return template.paths;
}

function make(key: string, size: Size): Template {
  const folder = mkdtempSync(join(tmpdir(), 'bmcs-template-'));
  if (templates.size === 0) process.once('exit', removeAll);
  // Noted before it is made, so that an interrupted process leaves nothing.
  templates.set(key, { folder, paths: [] });
  const paths = makeTree(folder, size).map((path) => path.slice('etc/'.length));
  const template = { folder, paths };
  templates.set(key, template);
  return template;
}

function removeAll(): void {
  for (const { folder } of templates.values()) rmSync(folder, { recursive: true, force: true });
}
