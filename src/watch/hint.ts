import type { Change } from '../core/dirty.ts';
import type { ReplicaPath } from '../core/path.ts';

/** What the watcher tells. It only ever means: look there. */
export type Hint =
  /** `rename`: the name was created, removed or moved. `write`: content or attributes changed. */
  | { readonly kind: 'path'; readonly path: ReplicaPath; readonly change: Change }
  /** A directory appeared, vanished, or may have missed events: look at it and everything below. */
  | { readonly kind: 'tree'; readonly path: ReplicaPath }
  /** Events may be lost: `burst`, the kernel's queue may have overflowed; `watch-error`, watching failed. */
  | { readonly kind: 'everything'; readonly why: 'burst' | 'watch-error' };
