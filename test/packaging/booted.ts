import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { eventually } from '../world/eventually.ts';
import { run, succeed } from './machine.ts';

/** A systemd that runs beside this machine, on a copy-on-write view of it. */
export type Booted = AsyncDisposable & {
  /** Runs lines of the shell there, as root; what they print. Throws when one fails. */
  shell(lines: string): Promise<string>;
};

/** Why systemd is not booted here: where one runs already, its control groups are not a test's to touch. */
export const noBoot = existsSync('/run/systemd/system') ? 'this machine runs systemd itself' : false;

/** Boots it. The folder is /share there. */
export async function boot(share: string): Promise<Booted> {
  const script = fileURLToPath(new URL('boot.sh', import.meta.url));
  const parent = spawn('sh', [script, share], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(parent, 'exit');
  const [pid] = await Promise.race([
    once(createInterface(parent.stdout), 'line'),
    exited.then(([code]) => Promise.reject(new Error(`boot.sh ended with ${code}`))),
  ]);
  const within = ['--target', String(pid), '--mount', '--pid', '--uts', '--ipc', '--net', '--cgroup', '--'];
  const booted: Booted = {
    shell: (lines) => succeed('nsenter', [...within, 'sh', '-ec', lines]),
    [Symbol.asyncDispose]: async () => {
      parent.stdin.end();
      await exited;
    },
  };
  let said = '';
  const isUp = async (): Promise<boolean> => {
    const { stdout, stderr } = await run('nsenter', [...within, 'systemctl', 'is-system-running']);
    said = `${stdout}${stderr}`;
    return /^(?:running|degraded)$/m.test(said);
  };
  try {
    await eventually('systemd is up', isUp, { deadlineMs: 30_000, pollMs: 100, detail: () => said });
  } catch (error) {
    await booted[Symbol.asyncDispose]();
    throw error;
  }
  return booted;
}
