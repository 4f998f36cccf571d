import { createInterface } from 'node:readline/promises';
import { Failure } from '../core/failure.ts';

/**
 * Asks on the terminal until the answer is accepted; an empty one is the default. `reject` says what is expected of an
 * answer that it does not take. Throws Failure `not-answered` when the input ends.
 */
export async function ask(
  question: string,
  options: { readonly preset?: string; readonly reject?: (answer: string) => string | undefined },
): Promise<string> {
  const { preset, reject } = options;
  const line = createInterface({ input: process.stdin, output: process.stdout });
  const ended = new Promise<undefined>((resolve) => line.once('close', () => resolve(undefined)));
  try {
    for (;;) {
      const answered = await Promise.race([
        line.question(`${question}${preset === undefined ? '' : ` [${preset}]`}: `),
        ended,
      ]);
      if (answered === undefined) throw notAnswered(question);
      const answer = answered.trim() === '' && preset !== undefined ? preset : answered.trim();
      const expected = reject?.(answer);
      if (expected === undefined) return answer;
      process.stdout.write(`expected ${expected}\n`);
    }
  } finally {
    line.close();
  }
}

/** Asks whether to go on. Default yes. */
export async function agrees(question: string): Promise<boolean> {
  const reject = (answer: string): string | undefined =>
    /^(y|yes|n|no)$/i.test(answer) ? undefined : 'y or n';
  return /^y/i.test(await ask(question, { preset: 'y', reject }));
}

function notAnswered(question: string): Failure {
  return new Failure({
    code: 'not-answered',
    exit: 'usage',
    message: `expected an answer to “${question}”, found the end of the input; nothing was changed`,
    hint: 'give the answer as an option: see --help',
  });
}
