import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Holds a record lock on a file, as dpkg and rpm do, from a process of its own until it is released. */
export async function holdLock(file: string): Promise<{ release(): Promise<void> }> {
  const script =
    'import fcntl,sys\nf=open(sys.argv[1],"r+")\nfcntl.lockf(f,fcntl.LOCK_EX)\nprint("held",flush=True)\nsys.stdin.read()';
  const child = spawn('python3', ['-c', script, file], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return {
    release: async () => {
      const over = once(child, 'exit');
      child.stdin.end();
      await over;
    },
  };
}
