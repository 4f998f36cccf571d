import { keepCompiled } from './compiled.ts';
import { defaultConfig } from './default-config.ts';

/** As RunOptions of commands/run.ts, which is not loaded for a type. */
type Given = {
  readonly config: string;
  readonly logFormat: 'text' | 'json';
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug';
};

const formats = ['text', 'json'] as const;
const levels = ['error', 'warn', 'info', 'debug'] as const;

/** Runs the daemon where the command line says that in its plainest form: as the service does. The exit code, else undefined. */
export async function runServiceQuickly(argv: readonly string[]): Promise<number | undefined> {
  const given = serviceOf(argv);
  if (given === undefined) return undefined;
  keepCompiled(given.config);
  return (await import('./service.ts')).runService(argv, given);
}

/** What `run` is given; undefined where that is for the parser to say. */
export function serviceOf([command, ...rest]: readonly string[]): Given | undefined {
  if (command !== 'run' || rest.length % 2 !== 0) return undefined;
  let given: Given = { config: defaultConfig, logFormat: 'text', logLevel: 'info' };
  for (let at = 0; at < rest.length; at += 2) {
    const [option, value = ''] = rest.slice(at, at + 2);
    const logFormat = formats.find((one) => one === value);
    const logLevel = levels.find((one) => one === value);
    if (option === '--config' && value !== '' && !value.startsWith('-')) given = { ...given, config: value };
    else if (option === '--log-format' && logFormat !== undefined) given = { ...given, logFormat };
    else if (option === '--log-level' && logLevel !== undefined) given = { ...given, logLevel };
    else return undefined;
  }
  return given;
}
