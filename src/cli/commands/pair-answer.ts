import { createInterface } from 'node:readline';
import { type Exit, Failure } from '../../core/failure.ts';
import { type Answer, encodeAnswer, maxLine, parseRequest, type Request } from '../pair/message.ts';
import { lookAtOwn, makeOwn, prove, takeIn, turnOut } from '../pair/own-half.ts';

/** Answers what `pair` and `unpair` on the other node ask over the administrator's ssh. */
export async function answerPairing(options: { readonly config: string }): Promise<Exit> {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(encodeAnswer(await answerTo(line, options.config)));
  }
  return 'done';
}

async function answerTo(line: string, configFile: string): Promise<Answer> {
  try {
    if (line.length > maxLine) throw new Error('a request is too long');
    return await answer(parseRequest(line), configFile);
  } catch (error) {
    if (error instanceof Failure) {
      const { code, exit, message, hint } = error;
      return { kind: 'failed', code, exit, message: message.slice(0, 4000), hint: hint.slice(0, 4000) };
    }
    return {
      kind: 'failed',
      code: 'bug',
      exit: 'bug',
      message: String(error).slice(0, 4000),
      hint: 'install the same version on both nodes',
    };
  }
}

async function answer(request: Request, configFile: string): Promise<Answer> {
  switch (request.ask) {
    case 'look':
      return { kind: 'looked', looked: await lookAtOwn(configFile) };
    case 'make':
      return { kind: 'looked', looked: await makeOwn(configFile, request.name) };
    case 'pair':
      return { kind: 'half', half: await takeIn(configFile, request.peer, request.replace) };
    case 'prove':
      return { kind: 'proven', roundTripMs: await prove(configFile, request.peer) };
    case 'unpair':
      return { kind: 'half', half: await turnOut(configFile, request.peer) };
  }
}
