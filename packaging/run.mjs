import { spawnSync } from 'node:child_process';

/** Ends the build: what was expected and found, and what to do. */
export function refuse(message, hint) {
  process.stderr.write(`package: ${message}\n${hint === undefined ? '' : `hint:    ${hint}\n`}`);
  process.exit(1);
}

/** Runs a program; its output is shown only when it fails. */
export function run(program, args, options = {}) {
  output(program, args, options);
}

/** What a program prints. */
export function output(program, args, options = {}) {
  const done = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024, ...options });
  if (done.error?.code === 'ENOENT')
    refuse(
      `expected the program ${program}, found none`,
      'node .ci/set-up.mjs --system installs what the build needs',
    );
  if (done.status === 0) return done.stdout;
  const how = done.error?.message ?? `exit code ${done.status ?? done.signal}`;
  return refuse(
    `expected ${program} ${args.join(' ')} to succeed, found ${how}\n${done.stdout}${done.stderr}`,
  );
}
