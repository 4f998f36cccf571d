import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Result } from '../../src/cli/doctor/check.ts';
import type { Surroundings } from '../../src/cli/doctor/surroundings.ts';
import type { DoctorRig } from './doctor-rig.ts';

export const active = (rig: DoctorRig): string => rig.pair.config('active');
export const etc = (rig: DoctorRig, name: string): string => rig.pair.at('active', join('etc', name));
const watchlist = (rig: DoctorRig): string => join(rig.pair.folder, 'watchlist.yml');

export type Broken = {
  /** What is broken, and mended again when the scope ends. */
  readonly what: string;
  readonly breaks: (rig: DoctorRig) => Disposable;
  readonly finding: readonly [name: string, result: Result, found: RegExp, mend?: RegExp];
  readonly with?: () => Partial<Surroundings>;
  /** What cannot be checked because of it. */
  readonly leaves?: readonly string[];
  /** The peer has to be asked anew. */
  readonly live?: boolean;
};

function undo(work: () => void): Disposable {
  return { [Symbol.dispose]: work };
}

function moded(path: string, mode: number): Disposable {
  const before = statSync(path).mode & 0o7777;
  chmodSync(path, mode);
  return undo(() => chmodSync(path, before));
}

/** A line of sshd's configuration; the first one of a name counts. */
const sshdLine = (rig: DoctorRig, line: string): Disposable =>
  rig.rewritten(rig.sshdConfig, (text) => {
    const [name = ''] = line.split(' ');
    return `${text.replace(new RegExp(`^${name} .*\n`, 'm'), '')}${line}\n`;
  });

const authorized = (rig: DoctorRig, change: (text: string) => string): Disposable =>
  rig.rewritten(join(rig.keysOf('active'), 'authorized_keys'), change);

/** What every receiver is started by. */
const received = (rig: DoctorRig, script: string): Disposable =>
  rig.rewritten(join(rig.folder, 'receive.sh'), () => script);

const written = (rig: DoctorRig, file: string, text: string): Disposable => rig.rewritten(file, () => text);

export const config = (rig: DoctorRig, change: (document: Record<string, unknown>) => object): Disposable =>
  rig.configured(active(rig), change);

export const ofPeer = ['version', 'same-watchlists', 'clock', 'owners', 'bm-packages'];
const helpers = join(import.meta.dirname, '..', 'world');

export const brokenNode: readonly Broken[] = [
  {
    what: 'an unknown key in the configuration',
    breaks: (rig) => config(rig, () => ({ bogus: 1 })),
    finding: [
      'configuration',
      'error',
      /config\.yml:\d+: .*the unknown key "bogus"/,
      /correct .*config\.yml/,
    ],
    leaves: [
      'seat',
      'daemon',
      'reach',
      'forced-command',
      'watchlists',
      'listed-files',
      'links',
      'xattrs',
      'exchange',
      'space',
      'inotify',
    ],
  },
  {
    what: 'a watchlist that is not there',
    live: true,
    breaks: (rig) => config(rig, () => ({ watchlists: ['/nowhere.yml'] })),
    finding: ['configuration', 'error', /\/nowhere\.yml: expected a readable YAML file, found no such file/],
    leaves: [
      'same-watchlists',
      'owners',
      'watchlists',
      'listed-files',
      'links',
      'xattrs',
      'exchange',
      'space',
      'inotify',
    ],
  },
  {
    what: 'a configuration folder that others can read',
    breaks: (rig) => moded(dirname(active(rig)), 0o755),
    finding: ['modes', 'warning', /configuration folder .* mode 0700, found 0755/, /^chmod 0700 \/tmp\//],
  },
  {
    what: 'a configuration that others can write',
    breaks: (rig) => moded(active(rig), 0o620),
    finding: ['modes', 'error', /configuration file .* found 0620/, /^chmod 0600 /],
  },
  {
    what: 'a private key that others can read',
    breaks: (rig) => moded(rig.pair.sshdOf('passive').identityFile, 0o640),
    finding: ['modes', 'error', /private key .* mode 0600, found 0640/, /^chmod 0600 /],
  },
  {
    what: 'a private key that is gone',
    breaks: (rig) =>
      config(rig, ({ peers }) => ({
        peers: (peers as object[]).map((peer) => ({ ...peer, identityFile: '/nowhere/id' })),
      })),
    finding: ['modes', 'error', /private key in \/nowhere\/id, found none/, /bm-confsync init/],
    leaves: ['reach', 'host-key', 'forced-command', ...ofPeer],
    live: true,
  },
  {
    what: 'a state folder that others can enter',
    breaks: (rig) => moded(rig.pair.state('active'), 0o711),
    finding: ['modes', 'error', /state folder .* mode 0700, found 0711/, /^chmod 0700 /],
    leaves: ['seat'],
  },
  {
    what: 'a runtime folder of another owner',
    breaks: (rig) => {
      const folder = join(rig.pair.folder, 'active', 'run');
      chownSync(folder, 1, 0);
      return undo(() => chownSync(folder, 0, 0));
    },
    finding: ['modes', 'error', /runtime folder .* owner 0, found owner 1/, /^chown 0 /],
  },
  {
    what: 'a node without a seat',
    breaks: (rig) => config(rig, () => ({ state: join(rig.folder, 'fresh') })),
    finding: ['seat', 'error', /expected a seat in .*fresh, found none/, /bm-confsync init --node mail1/],
  },
  {
    what: 'a daemon that does not run',
    breaks: (rig) => config(rig, () => ({ runtime: join(rig.folder, 'run') })),
    finding: ['daemon', 'error', /does not run/, /^systemctl enable --now bm-confsync$/],
  },
];

export const brokenWayIn: readonly Broken[] = [
  ...(
    [
      ['PermitRootLogin no', /PermitRootLogin is no/],
      ['PubkeyAuthentication no', /PubkeyAuthentication is no/],
      ['AllowUsers mail', /AllowUsers mail keeps root/],
      ['AllowUsers root@192.0.2.*', /AllowUsers root@192\.0\.2\.\* keeps root/],
      ['DenyUsers r*', /DenyUsers r\* keeps root/],
      ['AllowGroups mail', /AllowGroups mail keeps root/],
      ['ForceCommand /bin/false', /ForceCommand \/bin\/false stands before/],
      ['AuthenticationMethods publickey,publickey', /AuthenticationMethods is publickey,publickey/],
      ['Ciphers aes256-ctr', /Ciphers has no AES-GCM/],
      ['Match Address 127.0.0.0/8\nPermitRootLogin no', /PermitRootLogin is no/],
    ] as const
  ).map(
    ([line, found]): Broken => ({
      what: `sshd with ${line.replace('\n', ', ')}`,
      breaks: (rig) => sshdLine(rig, line),
      finding: ['sshd', 'error', found, /sshd_config/],
    }),
  ),
  {
    what: 'sshd that reads no keys',
    breaks: (rig) => sshdLine(rig, 'AuthorizedKeysFile none'),
    finding: ['sshd', 'error', /AuthorizedKeysFile is none/],
    leaves: ['forced-command'],
  },
  {
    what: 'a mistake in sshd_config',
    breaks: (rig) => sshdLine(rig, 'Bogus yes'),
    finding: ['sshd', 'error', /sshd -T tells no settings: .*Bogus/, /^sshd -t/],
    leaves: ['forced-command'],
  },
  {
    what: 'no sshd',
    breaks: () => undo(() => undefined),
    with: () => ({ run: async () => ({ kind: 'missing' }) }),
    finding: ['sshd', 'error', /found no program sshd/, /install openssh-server/],
    leaves: ['forced-command', 'bm-packages'],
  },
  {
    what: 'a key of the peer that is commented out',
    breaks: (rig) => authorized(rig, (text) => `# ${text}`),
    finding: [
      'forced-command',
      'warning',
      /expected the key of mail2 .* found none: after a failover mail2 could not/,
      /^echo 'restrict,command="bm-confsync receive" ssh-ed25519 \S+' >> \/tmp\//,
    ],
  },
  {
    what: 'a key of the peer that may run anything',
    breaks: (rig) => authorized(rig, (text) => text.replace(/^restrict,command="[^"]*" /, 'restrict ')),
    finding: ['forced-command', 'error', /no command= .* it may run anything/],
  },
  {
    what: 'a key of the peer that runs something else',
    breaks: (rig) => authorized(rig, (text) => text.replace(/command="[^"]*"/, 'command="/bin/true"')),
    finding: ['forced-command', 'error', /runs "\/bin\/true" .* not the receiver/],
  },
  {
    what: 'a key of the peer that may forward ports',
    breaks: (rig) => authorized(rig, (text) => text.replace(/^restrict,/, '')),
    finding: ['forced-command', 'warning', /has no restrict .* it may forward ports/],
  },
  {
    what: 'a key of the peer for another address',
    breaks: (rig) => authorized(rig, (text) => `from="192.0.2.0/24",${text}`),
    finding: [
      'forced-command',
      'error',
      /from="192\.0\.2\.0\/24" .* keeps mail2 out, which comes from 127\.0\.0\.1/,
    ],
  },
  {
    what: 'authorized_keys where others may write',
    breaks: (rig) => sshdLine(rig, 'StrictModes yes'),
    finding: [
      'forced-command',
      'error',
      /sshd ignores .* others may write to \/tmp \(mode 1777, StrictModes\)/,
    ],
  },
];

export const brokenPeer: readonly Broken[] = [
  {
    what: 'a peer that refuses our key',
    live: true,
    breaks: (rig) => rig.rewritten(join(rig.keysOf('passive'), 'authorized_keys'), () => ''),
    finding: ['reach', 'error', /mail2 .* refused our key/, /^on mail2: bm-confsync doctor/],
    leaves: ['forced-command', ...ofPeer],
  },
  {
    what: 'a receiver that does not start',
    live: true,
    breaks: (rig) => received(rig, 'echo "bm-confsync: not found" >&2; exit 127\n'),
    finding: ['reach', 'error', /mail2 did not answer: .*bm-confsync: not found/, /bm-confsync receive/],
    leaves: ['host-key', 'forced-command', ...ofPeer],
  },
  {
    what: 'another host key',
    live: true,
    breaks: (rig) =>
      config(rig, ({ peers }) => ({
        peers: (peers as object[]).map((peer) => ({ ...peer, hostKey: rig.pair.sshdOf('active').hostKey })),
      })),
    finding: [
      'host-key',
      'error',
      /host key of mail2 .* changed: expected SHA256:\S+, found SHA256:/,
      /console/,
    ],
    leaves: ['reach', 'forced-command', ...ofPeer],
  },
  {
    what: 'no host key',
    live: true,
    breaks: (rig) =>
      config(rig, ({ peers }) => ({
        peers: (peers as object[]).map((peer) => ({ ...peer, hostKey: undefined })),
      })),
    finding: ['host-key', 'error', /expected peers\.hostKey for mail2, found none/],
    leaves: ['reach', 'forced-command', ...ofPeer],
  },
  {
    what: 'another version on the peer',
    live: true,
    breaks: (rig) =>
      received(rig, `NODE_OPTIONS="--import=${join(helpers, 'older-version.ts')}" exec "$@"\n`),
    finding: ['version', 'warning', /bm-confsync \S+ on mail1, 0\.0\.9 on mail2/],
  },
  {
    what: 'other watchlists on the peer',
    live: true,
    breaks: (rig) => {
      const other = join(rig.folder, 'other.yml');
      writeFileSync(other, 'name: other\ninclude: [/etc/**, /srv/*.conf]\n');
      return rig.configured(rig.pair.config('passive'), () => ({ watchlists: [other] }));
    },
    finding: [
      'same-watchlists',
      'error',
      /watchlists of mail1 and mail2 differ/,
      /bm-confsync watchlist list/,
    ],
  },
  {
    what: 'a clock that is ahead',
    live: true,
    breaks: (rig) =>
      received(
        rig,
        `BMCS_CLOCK_SHIFT_MS=90000 NODE_OPTIONS="--import=${join(helpers, 'shift-clock.ts')}" exec "$@"\n`,
      ),
    finding: [
      'clock',
      'warning',
      /clock of mail2 is 1 min \d+ s ahead of this one, more than .*2\.0 s/,
      /timedatectl/,
    ],
  },
  {
    what: 'an owner that the peer does not have',
    live: true,
    breaks: (rig) => {
      for (const name of ['passwd', 'group']) {
        const text = readFileSync(`/etc/${name}`, 'utf8');
        writeFileSync(join(rig.folder, name), text.replace(/^games:.*\n/m, ''));
      }
      const mounts = ['passwd', 'group'].map((name) => `mount --bind ${rig.folder}/${name} /etc/${name}`);
      const wrapped = received(rig, `exec unshare -m sh -c '${mounts.join(' && ')} && exec "$@"' sh "$@"\n`);
      chownSync(etc(rig, 'hosts'), 5, 0);
      return undo(() => {
        wrapped[Symbol.dispose]();
        chownSync(etc(rig, 'hosts'), 0, 0);
      });
    },
    finding: [
      'owners',
      'error',
      /not on mail2, .* owner games \(\/etc\/hosts\)/,
      /on mail2.* useradd --system games$/,
    ],
  },
  {
    what: 'another version of BlueMind on the peer',
    live: true,
    breaks: (rig) => {
      rig.program(
        'dpkg-query',
        'echo "installed bm-core 5.2.1"; echo "installed bm-node 5.2.1"; echo "not-installed bm-old 1"',
      );
      const peer = join(rig.folder, 'peer-bin');
      mkdirSync(peer, { recursive: true });
      writeFileSync(
        join(peer, 'dpkg-query'),
        '#!/bin/sh\necho "installed bm-core 5.1.9"; echo "installed bm-node 5.2.1"\n',
        { mode: 0o755 },
      );
      const wrapped = received(rig, `PATH=${peer}:$PATH exec "$@"\n`);
      return undo(() => {
        wrapped[Symbol.dispose]();
        rig.program('dpkg-query', 'exit 1');
      });
    },
    finding: [
      'bm-packages',
      'error',
      /1 of 2 packages of BlueMind differ: bm-core 5\.2\.1 here, 5\.1\.9 on mail2/,
    ],
  },
];

export const brokenTree: readonly Broken[] = [
  {
    what: 'watchlists that include nothing',
    live: true,
    breaks: (rig) => {
      const wrapped = written(rig, watchlist(rig), 'name: test\ninclude: [/etc/nothing/**]\n');
      return wrapped;
    },
    finding: ['watchlists', 'error', /watchlists test include nothing/, /watchlist list/],
  },
  {
    what: 'one watchlist that includes nothing',
    live: true,
    breaks: (rig) => secondWatchlist(rig, 'name: second\ninclude: [/srv/nothing/**]\n'),
    finding: ['watchlists', 'warning', /the watchlist second includes nothing/],
  },
  {
    what: 'watchlists that overlap',
    live: true,
    breaks: (rig) => secondWatchlist(rig, 'name: second\ninclude:\n  - /etc/postfix/**\n'),
    finding: [
      'watchlists',
      'warning',
      /\/etc\/postfix\/\*\* \(\S+second\.yml:3\) is covered by \/etc\/\*\* \(/,
    ],
  },
  {
    what: 'a listed file that is missing',
    live: true,
    breaks: (rig) => written(rig, watchlist(rig), 'name: test\ninclude: [/etc/**, /etc/bm/bm.ini]\n'),
    finding: [
      'listed-files',
      'warning',
      /not on this node: \/etc\/bm\/bm\.ini \(test:2\)/,
      /explain \/etc\/bm\/bm\.ini/,
    ],
  },
  {
    what: 'a link that leaves the tree',
    breaks: (rig) => {
      symlinkSync('../srv/data', etc(rig, 'data'));
      return undo(() => rmSync(etc(rig, 'data')));
    },
    finding: ['links', 'warning', /\/etc\/data -> \/srv\/data/, /add \/srv\/data to a watchlist/],
  },
  {
    what: 'a file system that cannot exchange',
    breaks: () => undo(() => undefined),
    with: () => {
      const exchange = () => ({ ok: false, code: 'EINVAL' }) as const;
      return { renames: { exchange, noReplace: exchange } };
    },
    finding: ['exchange', 'warning', /cannot exchange two names/],
  },
  {
    what: 'too little free space',
    breaks: (rig) => config(rig, () => ({ limits: { minFreeDisk: '900TiB' } })),
    finding: ['space', 'error', /free on the file system of .*, limits\.minFreeDisk is 900\.0 TiB/, /^du /],
  },
  ...(
    [
      ['fs/inotify/max_user_watches', /expected to watch \d+ directories, found a limit of 0 /],
      ['user/max_inotify_watches', /found a limit of 0 /],
      ['fs/inotify/max_user_instances', /0 of 0 inotify instances are in use/],
    ] as const
  ).map(
    ([setting, found]): Broken => ({
      what: `${setting} of 0`,
      breaks: (rig) => {
        const sys = join(rig.folder, 'proc', 'sys');
        rmSync(sys);
        mkdirSync(join(sys, dirname(setting)), { recursive: true });
        writeFileSync(join(sys, setting), '0\n');
        return undo(() => {
          rmSync(sys, { recursive: true });
          symlinkSync('/proc/sys', sys);
        });
      },
      // The daemon of the pair has its instance.
      finding: ['inotify', setting.includes('instances') ? 'warning' : 'error', found, /sysctl --system/],
    }),
  ),
];

function secondWatchlist(rig: DoctorRig, text: string): Disposable {
  const file = join(rig.folder, 'second.yml');
  writeFileSync(file, text);
  const changes = (['active', 'passive'] as const).map((node) =>
    rig.configured(rig.pair.config(node), ({ watchlists }) => ({
      watchlists: [...(watchlists as string[]), file],
    })),
  );
  return undo(() => {
    for (const change of changes) change[Symbol.dispose]();
  });
}

export const cib = (
  property: string,
  resources = '<primitive id="f" class="stonith" type="fence_ipmilan"/>',
): string =>
  `<cib><configuration><crm_config><cluster_property_set id="s">${property}</cluster_property_set></crm_config><resources>${resources}</resources></configuration></cib>`;
export const stonith = (value: string): string => `<nvpair id="o" name="stonith-enabled" value="${value}"/>`;

export function cluster(rig: DoctorRig, text: string): Disposable {
  rig.program('cibadmin', `cat <<'END'\n${text}\nEND`);
  return undo(() => rig.program('cibadmin', 'exit 102'));
}

export const brokenSurroundings: readonly Broken[] = [
  {
    what: 'Pacemaker without STONITH',
    breaks: (rig) => cluster(rig, cib(stonith('false'))),
    finding: [
      'fencing',
      'error',
      /stonith-enabled is false .*BlueMind does not support automatic failover without STONITH/,
      /^pcs property set stonith-enabled=true$/,
    ],
  },
  {
    what: 'Pacemaker without a fencing device',
    breaks: (rig) => cluster(rig, cib(stonith('true'), '')),
    finding: ['fencing', 'error', /no fencing device/, /pcs stonith create/],
  },
  {
    what: 'a stopped cluster that had STONITH off',
    breaks: (rig) => {
      const file = join(rig.system, 'var/lib/pacemaker/cib/cib.xml');
      return rig.rewritten(file, () => cib(stonith('0')));
    },
    finding: ['fencing', 'error', /stonith-enabled is 0 \(\/var\/lib\/pacemaker\/cib\/cib\.xml\)/],
  },
  {
    what: 'a crm_attribute that tells STONITH is off',
    breaks: (rig) => {
      rig.program('crm_attribute', 'echo off');
      return undo(() => rig.program('crm_attribute', 'exit 102'));
    },
    finding: ['fencing', 'error', /stonith-enabled is off \(crm_attribute\)/],
  },
  {
    what: 'a seat that follows a cluster that is not there',
    breaks: (rig) => {
      const renamed = config(rig, () => ({ role: { source: 'pacemaker' } }));
      for (const one of ['cibadmin', 'crm_attribute']) rmSync(join(rig.folder, 'bin', one));
      return undo(() => {
        renamed[Symbol.dispose]();
        for (const one of ['cibadmin', 'crm_attribute']) rig.program(one, 'exit 102');
      });
    },
    finding: ['fencing', 'error', /expected a Pacemaker cluster .*, found none/],
  },
  {
    what: 'csync2 in cron',
    breaks: (rig) =>
      rig.rewritten(
        join(rig.system, 'etc/cron.d/csync2'),
        () => '# csync2\n*/5 * * * * root /usr/sbin/csync2 -x\n',
      ),
    finding: [
      'other-tools',
      'error',
      /csync2 is started by the system .*cron\.d\/csync2:2/,
      /take the line out/,
    ],
  },
  {
    what: 'rsync of our paths in cron',
    breaks: (rig) =>
      rig.rewritten(
        join(rig.system, 'etc/crontab'),
        () => `# rsync /etc\n* * * * * root rsync -a ${etc(rig, '')} mail2:/etc/\n`,
      ),
    finding: ['other-tools', 'error', /rsync .*crontab:2/],
  },
  {
    what: 'incron that is enabled and has rules for our paths',
    breaks: (rig) => {
      const link = join(rig.system, 'etc/systemd/system/multi-user.target.wants/incron.service');
      const enabled = rig.rewritten(link, () => '');
      const table = rig.rewritten(
        join(rig.system, 'etc/incron.d/etc'),
        () => `${etc(rig, 'postfix')} IN_MODIFY rsync $@\n`,
      );
      return undo(() => {
        enabled[Symbol.dispose]();
        table[Symbol.dispose]();
      });
    },
    finding: [
      'other-tools',
      'error',
      /incron is started by the system and is about \S+\/etc\/postfix/,
      /^systemctl disable --now incron$/,
    ],
  },
];
