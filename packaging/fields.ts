// What may stand in the two files that people write: key, default and meaning. The manual pages of section 5 are made
// of it, and README's table shows the same. `default` is as it would be written in the file; 'required' and 'none'
// are words. Backticks in a meaning mark what is typed.

export type Field = readonly [key: string, byDefault: string, meaning: string];

/** Keys of /etc/bm-confsync/config.yml, in the order in which they are explained. */
export const configurationFields: readonly Field[] = [
  ['node', 'required', 'name of this node'],
  ['root', '/', 'prefix of every replicated path; another value is for tests and restores'],
  ['state', '/var/lib/bm-confsync', 'ledger, versions, conflicts; for root alone'],
  ['runtime', '/run/bm-confsync', 'control socket of the daemon'],
  ['peers', 'none', 'the other nodes, each with the keys below'],
  ['peers.name', 'required', 'name of the peer, as `node` says there'],
  ['peers.host', 'required', 'its host name or address'],
  ['peers.port', '22', 'port of its sshd'],
  ['peers.user', 'root', 'account there'],
  ['peers.identityFile', '/etc/bm-confsync/id_ed25519', 'private key of this node'],
  ['peers.hostKey', 'none', 'pinned host key; without it no connection is made'],
  ['watchlists', '[bluemind]', 'names of shipped watchlists, or absolute paths of files'],
  ['role', '{ source: manual }', 'who decides which node is active, with the keys below'],
  ['role.source', 'required', '`manual`, `vip` or `pacemaker`'],
  ['role.address', 'required', 'with `vip`: the floating address; who has it is active'],
  ['role.hold', '3s', 'with `vip`: how long it has to stay before the seat moves'],
  ['role.fenced', 'false', 'with `vip`: whether whoever moves the address powers the other node off'],
  ['conflict', 'hold', 'what happens to conflicts: `hold`, `active-wins`, `newest-wins`'],
  ['limits', 'as below', 'guards, each with a key below'],
  ['limits.maxFileSize', '64MiB', 'larger files are reported, not sent'],
  ['limits.minFreeDisk', '64MiB', 'below this much free space the passive node refuses to write'],
  ['limits.clockSkew', '2s', 'beyond this difference of the clocks `newest-wins` holds'],
  ['limits.massDeletion', 'as below', 'more deletions than both keys below say halt replication'],
  ['limits.massDeletion.paths', '20', 'paths'],
  ['limits.massDeletion.percent', '10', 'percent of what is replicated'],
  ['reconcileMinutes', '5', 'minutes between two full comparisons'],
  ['settle', 'as below', 'how long a change is left to settle'],
  ['settle.deleteHoldMs', '500', 'how long a deletion is held, milliseconds'],
  ['settle.maxWaitMs', '5000', 'when a file that never rests counts as overdue, milliseconds'],
  ['versions', 'as below', 'how much is kept; the daemon prunes the rest every hour'],
  ['versions.count', '20', 'versions of one path'],
  ['versions.days', '90', 'age'],
  ['versions.totalSize', '1GiB', 'all contents together'],
];

/** Keys of a watchlist. */
export const watchlistFields: readonly Field[] = [
  ['name', 'required', 'name of the watchlist'],
  [
    'include',
    '[]',
    'absolute patterns of what is replicated. `*` and `?` stand for characters of one name, `**` for any number of names, `{a,b}` and `[abc]` for alternatives; `\\` makes the next character mean itself. A path that is listed by itself is reported when it is missing',
  ],
  [
    'exclude',
    '[]',
    'the same for what is not. It beats every include of every watchlist, and takes along what is below it',
  ],
  ['conflict', 'none', 'policy for conflicts on these paths; without it, that of the configuration'],
  ['policies', '[]', 'policies for some of the paths'],
  ['policies.match', 'required', 'pattern of the paths'],
  ['policies.conflict', 'required', '`hold`, `active-wins` or `newest-wins`'],
  ['groups', '[]', 'files that are placed together or not at all, also across a crash'],
  ['groups.name', 'required', 'name of the group'],
  ['groups.files', 'required', 'absolute paths of its files'],
  ['validate', '[]', 'commands that a staged file has to pass on the receiving node before it is placed'],
  ['validate.match', 'required', 'pattern of the files'],
  ['validate.run', 'required', 'program and arguments, without a shell; `{file}` is the staged file'],
  ['validate.timeout', '30s', 'after this long it is ended and counts as failed'],
  ['apply', '[]', 'commands that run on the receiving node, once a batch, after files are in place'],
  ['apply.match', 'required', 'pattern of the files'],
  ['apply.run', 'required', 'program and arguments, without a shell'],
  ['apply.timeout', '30s', 'after this long it is ended and counts as failed'],
  ['scopes', '[]', 'parts of the tree that `bm-confsync fingerprint` speaks of by a name'],
  ['scopes.name', 'required', 'name of the scope; one of the same name takes the place of a built-in one'],
  ['scopes.match', 'required', 'patterns of its paths'],
];
