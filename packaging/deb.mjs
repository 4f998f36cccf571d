import { createHash } from 'node:crypto';
import { cpSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { refuse, run } from './run.mjs';
import { date, filesIn, write, zipped } from './stage.mjs';

const own = join(dirname(fileURLToPath(import.meta.url)), 'deb');
const architectures = { x64: 'amd64', arm64: 'arm64' };

export const maintainer = 'bm-confsync maintainers <maintainers@users.noreply.github.com>';
export const summary = 'real-time replication of /etc for pairs of mail servers';
export const description = [
  'Keeps the configuration of a passive BlueMind mail server the same as that',
  'of the active one, within milliseconds, so that it can take over at any',
  'moment. It knows which node is active, never overwrites what nobody has',
  'seen, and keeps a version of whatever it replaces.',
];

/** Builds the package for Debian and Ubuntu; its path. */
export function buildDeb({ stage, version, seconds, glibc, to, fast }) {
  const architecture = architectures[process.arch] ?? refuse(`expected x64 or arm64, found ${process.arch}`);
  const tree = join(dirname(stage), 'deb');
  rmSync(tree, { recursive: true, force: true });
  cpSync(stage, tree, { recursive: true, preserveTimestamps: true });
  const documents = join(tree, 'usr/share/doc/bm-confsync');
  write(join(documents, 'changelog.gz'), zipped(changelog(version, seconds)));
  write(join(tree, 'usr/share/lintian/overrides/bm-confsync'), readFileSync(join(own, 'lintian-overrides')));
  const kilobytes = Math.ceil(filesIn(tree).reduce((sum, path) => sum + statSync(path).size, 0) / 1024);
  const sums = filesIn(tree).map((path) => {
    return `${createHash('md5').update(readFileSync(path)).digest('hex')}  ${path.slice(tree.length + 1)}\n`;
  });
  write(join(tree, 'DEBIAN/md5sums'), sums.join(''));
  write(join(tree, 'DEBIAN/control'), control({ version, architecture, glibc, kilobytes }));
  for (const script of ['postinst', 'prerm', 'postrm'])
    write(join(tree, 'DEBIAN', script), readFileSync(join(own, script)), 0o755);
  date(tree, seconds);
  const file = join(to, `bm-confsync_${version}_${architecture}.deb`);
  const compression = fast ? ['-Zgzip', '-z1'] : ['-Zxz'];
  run('dpkg-deb', ['--root-owner-group', ...compression, '--build', tree, file], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(seconds) },
  });
  return file;
}

function control({ version, architecture, glibc, kilobytes }) {
  return `Package: bm-confsync
Version: ${version}
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${kilobytes}
Depends: libc6 (>= ${glibc}), libgcc-s1, libstdc++6 (>= 5), openssh-client
Recommends: openssh-server
Section: admin
Priority: optional
Description: ${summary}
${description.map((line) => ` ${line}\n`).join('')}`;
}

function changelog(version, seconds) {
  const date = new Date(seconds * 1000).toUTCString().replace('GMT', '+0000');
  return `bm-confsync (${version}) unstable; urgency=medium

  * What is new in this version is in CHANGELOG.md, beside this file.

 -- ${maintainer}  ${date}
`;
}
