import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { Check } from '../../src/cli/doctor/check.ts';
import { examine } from '../../src/cli/doctor/examine.ts';
import type { seePeer } from '../../src/cli/doctor/peer.ts';
import { type Surroundings, thisMachine } from '../../src/cli/doctor/surroundings.ts';
import { type NodeName, Pair, type Running } from '../world/pair.ts';
import { temporaryFolder } from '../world/tree.ts';

/**
 * A healthy pair for `doctor`, and what the machine around it looks like: programs in a folder of the PATH, processes
 * and the system's configuration in folders of their own, so that nothing that else runs here is found.
 */
export class DoctorRig implements AsyncDisposable {
  readonly folder: string;
  readonly pair: Pair;
  readonly daemon: Running;

  private constructor(folder: string, pair: Pair, daemon: Running) {
    this.folder = folder;
    this.pair = pair;
    this.daemon = daemon;
  }

  static async open(): Promise<DoctorRig> {
    const folder = temporaryFolder('doctor');
    for (const one of ['bin', 'proc', 'system']) mkdirSync(join(folder, one));
    for (const one of ['sys', 'self']) symlinkSync(`/proc/${one}`, join(folder, 'proc', one));
    writeFileSync(join(folder, 'receive.sh'), 'exec "$@"\n');
    const pair = await Pair.open({
      mutual: true,
      wrapReceive: (command) => `sh ${folder}/receive.sh ${command}`,
    });
    for (const node of ['active', 'passive'] as const) chmodSync(dirname(pair.config(node)), 0o700);
    writeFileSync(pair.at('active', 'etc/hosts'), 'one\n');
    const rig = new DoctorRig(folder, pair, await pair.startActive());
    rig.program('sshd', `exec /usr/sbin/sshd -f ${folder}/sshd_config "$@"`);
    copyFileSync(join(rig.keysOf('active'), 'sshd_config'), rig.sshdConfig);
    rig.program('dpkg-query', 'exit 1');
    rig.program('rpm', 'exit 0');
    for (const one of ['cibadmin', 'crm_attribute']) rig.program(one, 'echo "not connected" >&2; exit 102');
    return rig;
  }

  /** The folder with keys and authorized_keys of the sshd that leads to a node. */
  keysOf(node: NodeName): string {
    return dirname(this.pair.sshdOf(node).identityFile);
  }

  get sshdConfig(): string {
    return join(this.folder, 'sshd_config');
  }

  get system(): string {
    return join(this.folder, 'system');
  }

  /** Puts a program into the PATH of this node. */
  program(name: string, script: string): void {
    writeFileSync(join(this.folder, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }

  get path(): string {
    return `${join(this.folder, 'bin')}:${process.env['PATH'] ?? ''}`;
  }

  /** `see`: how to learn of a peer, when not by connecting to it. */
  async examine(
    node: NodeName = 'active',
    other: Partial<Surroundings> = {},
    see?: typeof seePeer,
  ): Promise<readonly Check[]> {
    const here = { ...thisMachine(this.path), proc: join(this.folder, 'proc'), system: this.system };
    return (await examine(this.pair.config(node), { ...here, ...other }, see)).checks;
  }

  /** Replaces the text of a file until the scope ends. Null: there is none. */
  rewritten(file: string, change: (text: string) => string | null): Disposable {
    const before = existsSync(file) ? readFileSync(file, 'utf8') : null;
    const put = (text: string | null): void => {
      mkdirSync(dirname(file), { recursive: true });
      if (text === null) rmSync(file, { force: true });
      else writeFileSync(file, text);
    };
    put(change(before ?? ''));
    return { [Symbol.dispose]: () => put(before) };
  }

  /** Changes keys of a YAML file until the scope ends. */
  configured(file: string, change: (document: Record<string, unknown>) => object): Disposable {
    return this.rewritten(file, (text) => {
      const document = parse(text) as Record<string, unknown>;
      return stringify({ ...document, ...change(document) });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pair[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What a person would have to look at. */
export function findings(checks: readonly Check[]): Check[] {
  return checks.filter(({ result }) => result === 'warning' || result === 'error');
}
