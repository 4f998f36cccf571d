import { setFlagsFromString } from 'node:v8';

let expected = false;

/**
 * To be called when contents of large files begin to pass. They lie outside of V8's heap and are garbage at once; by default the
 * whole heap is collected for every few MB of them, which is half of the processor time that they take. From here on
 * they count as any memory does. Before, V8's default keeps a process that has no large files smaller; benchmarks/README.md has
 * both measured.
 */
export function expectLargeBodies(): void {
  if (expected) return;
  expected = true;
  setFlagsFromString('--external-memory-accounted-in-global-limit');
  setFlagsFromString('--external-memory-max-growing-factor=4');
}
