/**
 * Puts stand-ins at the edges of the program, before anything of it is loaded: the SSH link, the kernel's
 * watches, the control socket and the pauses between two tries for a lock. All else is the real code.
 * To be imported first; what comes from `src` is imported dynamically after it.
 */
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';

/** Another checkout of `src` may be put to the test, as one with a fault on purpose. */
const source =
  process.env['BM_CONFSYNC_SRC'] === undefined
    ? new URL('../../src/', import.meta.url).href
    : pathToFileURL(`${process.env['BM_CONFSYNC_SRC']}/`).href;
const own = new URL('../../src/', import.meta.url).href;

const standIns: Readonly<Record<string, string>> = {
  'active/link.ts': 'link.ts',
  'watch/watcher.ts': 'watcher.ts',
  'control/client.ts': 'control.ts',
};

registerHooks({
  resolve(specifier, context, next) {
    const inside = context.parentURL?.startsWith(source) === true;
    if (inside && specifier === 'node:timers/promises')
      return { url: new URL('stand-ins/pauses.ts', import.meta.url).href, shortCircuit: true };
    const resolved = next(specifier, context);
    const url = resolved.url.startsWith(own) ? source + resolved.url.slice(own.length) : resolved.url;
    const standIn = url.startsWith(source) ? standIns[url.slice(source.length)] : undefined;
    if (inside && standIn !== undefined)
      return { url: new URL(`stand-ins/${standIn}`, import.meta.url).href, shortCircuit: true };
    return { ...resolved, url };
  },
});
