import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { description, maintainer, summary } from './deb.mjs';
import { refuse, run } from './run.mjs';
import { filesIn, foldersIn } from './stage.mjs';

const architectures = { x64: 'x86_64', arm64: 'aarch64' };
/** Folders that are this package's own, and go with it. */
const ownFolders = ['/usr/lib/bm-confsync', '/usr/share/bm-confsync', '/usr/share/doc/bm-confsync'];

/** Builds the package for RHEL and its like; its path. */
export function buildRpm({ stage, version, seconds, glibc, to, fast }) {
  const architecture = architectures[process.arch] ?? refuse(`expected x64 or arm64, found ${process.arch}`);
  const top = join(dirname(stage), 'rpm');
  const tree = join(top, 'tree');
  rmSync(top, { recursive: true, force: true });
  mkdirSync(top, { recursive: true });
  cpSync(stage, tree, { recursive: true, preserveTimestamps: true });
  forRhel(tree);
  const specification = join(top, 'bm-confsync.spec');
  writeFileSync(specification, specOf({ tree, version, seconds, glibc }));
  const defined = {
    _topdir: top,
    _binary_payload: fast ? 'w1.zstdio' : 'w6T0.xzdio',
    // The files are as they should be: not stripped, compressed or compiled again.
    __os_install_post: '%{nil}',
    debug_package: '%{nil}',
    _build_id_links: 'none',
    use_source_date_epoch_as_buildtime: '1',
    clamp_mtime_to_source_date_epoch: '1',
    _buildhost: 'localhost',
  };
  const defines = Object.entries(defined).flatMap(([name, value]) => ['--define', `${name} ${value}`]);
  run('rpmbuild', ['-bb', '--quiet', '--target', `${architecture}-linux`, ...defines, specification], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(seconds) },
  });
  const [made] = filesIn(join(top, 'RPMS'));
  const file = join(to, basename(made));
  renameSync(made, file);
  return file;
}

/** Where RHEL looks elsewhere than Debian. */
function forRhel(tree) {
  const zsh = join(tree, 'usr/share/zsh');
  const isThere = filesIn(tree).some((path) => path.startsWith(`${zsh}/vendor-completions/`));
  if (isThere) renameSync(join(zsh, 'vendor-completions'), join(zsh, 'site-functions'));
}

function specOf({ tree, version, seconds, glibc }) {
  const date = new Date(seconds * 1000).toUTCString().replace(/^(\w+), (\d+) (\w+) (\d+).*$/, '$1 $3 $2 $4');
  const owned = foldersIn(tree)
    .map((path) => path.slice(tree.length))
    .filter((path) => ownFolders.some((own) => `${path}/`.startsWith(`${own}/`)));
  const lines = filesIn(tree).map((path) => fileLine(path.slice(tree.length)));
  return `Name: bm-confsync
Version: ${version}
Release: 1
Summary: ${summary}
License: MIT AND BSD-3-Clause AND Apache-2.0 AND ISC AND GPL-3.0-or-later WITH GCC-exception-3.1
Packager: ${maintainer}
# Its own Node and libraries are nobody else's to use, nor found by their names.
AutoReqProv: no
Requires: libc.so.6(GLIBC_${glibc})(64bit), libstdc++.so.6()(64bit), libgcc_s.so.1()(64bit), openssh-clients
Recommends: openssh-server

%description
${description.join('\n')}

%install
cp -a ${tree}/. %{buildroot}/

# Configuration, keys and state are never this package's files: they stay when it goes, and an upgrade does not touch
# them. A fresh installation starts nothing, since \`bm-confsync init\` has not made a configuration yet.
%post
if [ -x "$(command -v systemd-tmpfiles)" ]; then
  systemd-tmpfiles --create bm-confsync.conf || :
fi

%preun
# The last one goes, and with it the daemon.
if [ "$1" -eq 0 ] && [ -d /run/systemd/system ]; then
  systemctl --no-reload disable --now bm-confsync-verify.timer bm-confsync.service || :
fi

%postun
if [ "$1" -eq 0 ] && [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload || :
fi

# When the files of the old version are gone, the daemon starts anew where it runs. A session that the peer has open
# goes on in the program that it was started with, which has everything in memory that it needs.
%posttrans
if [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload || :
  systemctl try-restart bm-confsync.service || :
fi

%files
%defattr(-,root,root,-)
${owned.map((path) => `%dir ${path}`).join('\n')}
${lines.join('\n')}

%changelog
* ${date} ${maintainer} - ${version}-1
- What is new in this version is in CHANGELOG.md, beside the README.
`;
}

function fileLine(path) {
  if (/\/(?:copyright|LICENSES)$/.test(path)) return `%license ${path}`;
  return path.startsWith('/usr/share/doc/') || path.startsWith('/usr/share/man/') ? `%doc ${path}` : path;
}
