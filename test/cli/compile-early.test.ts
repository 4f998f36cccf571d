import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkout } from '../rig/pair.ts';

const compileEarly = join(checkout, 'src', 'cli', 'compile-early.ts');

/** Whether V8 has compiled a function that was called so often, with pauses in which it could. */
function isCompiled(calls: number, setUp: string): boolean {
  const script = `${setUp}
    const step = (x) => (x * 3 + 1) % 7;
    let left = ${calls};
    const again = () => {
      step(left);
      left -= 1;
      if (left > 0) return setTimeout(again, 1);
      setTimeout(() => { step(1); console.log(%ActiveTierIsMaglev(step)); }, 200);
    };
    again();`;
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--allow-natives-syntax', '--eval', script],
    { encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
  return stdout.trim() === 'true';
}

test('what ran a few dozen times is compiled, which V8 would do after hundreds', () => {
  assert.equal(isCompiled(100, ''), false);
  assert.equal(isCompiled(100, `require('${compileEarly}').compileEarly();`), true);
});
