import type { Ended } from '../core/failure.ts';
import { defaultConfig } from './default-config.ts';
import { processIo } from './io.ts';
import { productVersion } from './product.ts';
import { toldNotice } from './told-notice.ts';
import { toldResync } from './told-resync.ts';
import { showPlugin, showStatus, toldPlugin, toldStatus } from './told-status.ts';
import { toldVerify } from './told-verify.ts';

/**
 * Runs the plainest forms of what is called most often: `--version`, and `status`, `verify`, `resync` and `notice` while the
 * daemon can answer. Undefined for everything else, also for what is not quite right: that is for the parser to say. Nothing that
 * this imports may load a package: the bundle has all of it in the one file that starts.
 */
export async function runQuickly(argv: readonly string[]): Promise<Ended | undefined> {
  const [command, ...rest] = argv;
  if (command === '--version' || command === '-V') {
    if (rest.length > 0) return undefined;
    processIo().out(`${productVersion}\n`);
    return 'done';
  }
  if (command === 'verify') {
    const given = optionsOf(rest, ['--json', '--full', '--diff', '--nagios']);
    return given && quickVerify(given);
  }
  if (command === 'resync') {
    const given = optionsOf(rest, ['--json', '--yes']);
    return given && quickResync(given);
  }
  if (command === 'notice') {
    const given = optionsOf(rest, ['--logout']);
    return given && quickNotice(given);
  }
  if (command !== 'status') return undefined;
  const given = optionsOf(rest, ['--json', '--nagios']);
  if (given === undefined) return undefined;
  if (given.flags.has('--nagios')) return quickPlugin(given);
  const found = await toldStatus(given.config);
  return found === undefined ? undefined : showStatus(found, given.flags.has('--json'), processIo());
}

type Given = { readonly config: string; readonly flags: ReadonlySet<string> };

function quickVerify({ config, flags }: Given): Promise<Ended | undefined> | undefined {
  const json = flags.has('--json');
  const nagios = flags.has('--nagios');
  if (json && nagios) return undefined;
  const form = json ? 'json' : nagios ? 'nagios' : 'text';
  const io = processIo();
  return toldVerify({ config, full: flags.has('--full'), diff: flags.has('--diff'), form }, io);
}

/** Who sits at a terminal is shown how far it is, and who did not say yes is asked: that takes the whole program. */
function quickResync({ config, flags }: Given): Promise<Ended | undefined> | undefined {
  const io = processIo();
  const form = flags.has('--json') ? 'json' : 'text';
  if (!flags.has('--yes') || (form === 'text' && io.interactive)) return undefined;
  return toldResync({ config, form }, io);
}

async function quickPlugin({ config, flags }: Given): Promise<Ended | undefined> {
  if (flags.has('--json')) return undefined;
  const line = await toldPlugin(config);
  return line && showPlugin(line, processIo());
}

function quickNotice({ config, flags }: Given): Promise<Ended | undefined> {
  return toldNotice({ config, at: flags.has('--logout') ? 'logout' : 'login' }, processIo());
}

function optionsOf(rest: readonly string[], known: readonly string[]): Given | undefined {
  let config = defaultConfig;
  const flags = new Set<string>();
  for (let at = 0; at < rest.length; at += 1) {
    const [option = '', file] = rest.slice(at, at + 2);
    if (known.includes(option)) flags.add(option);
    else if (option === '--config' && file !== undefined && !file.startsWith('-')) {
      config = file;
      at += 1;
    } else return undefined;
  }
  return { config, flags };
}
