import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadWatchlists } from '../../src/config/watchlist.ts';
import { parseReplicaPath, type ReplicaPath } from '../../src/core/path.ts';

const shippedFolder = join(import.meta.dirname, '../../watchlists');
const file = join(shippedFolder, 'bluemind.yml');
const lists = loadWatchlists(['bluemind'], { shippedFolder });

function path(raw: string): ReplicaPath {
  const parsed = parseReplicaPath(raw);
  assert.ok(parsed.ok, raw);
  return parsed.path;
}

/** One or more paths for each exclusion, by pattern: every pattern of the file must be here. */
const excluded: Readonly<Record<string, readonly string[]>> = {
  '/etc/hostname': ['/etc/hostname'],
  '/etc/machine-info': ['/etc/machine-info'],
  '/etc/hosts': ['/etc/hosts'],
  '/etc/machine-id': ['/etc/machine-id'],
  '/etc/hostid': ['/etc/hostid'],
  '/etc/krb5.keytab': ['/etc/krb5.keytab'],
  '/etc/ssh': ['/etc/ssh', '/etc/ssh/ssh_host_ed25519_key', '/etc/ssh/sshd_config.d/a.conf'],
  '/etc/cloud': ['/etc/cloud/cloud.cfg'],
  '/etc/salt/minion_id': ['/etc/salt/minion_id'],
  '/etc/salt/pki': ['/etc/salt/pki/minion/minion.pem'],
  '/etc/puppetlabs/puppet/ssl': ['/etc/puppetlabs/puppet/ssl/certs/a.pem'],
  '/etc/network': ['/etc/network/interfaces'],
  '/etc/netplan': ['/etc/netplan/01-netcfg.yaml'],
  '/etc/systemd/network': ['/etc/systemd/network/10-eth.network'],
  '/etc/NetworkManager': ['/etc/NetworkManager/system-connections/a'],
  '/etc/sysconfig/network*': ['/etc/sysconfig/network', '/etc/sysconfig/network-scripts/ifcfg-eth0'],
  '/etc/wicked': ['/etc/wicked/common.xml'],
  '/etc/resolv.conf': ['/etc/resolv.conf'],
  '/etc/resolvconf': ['/etc/resolvconf/resolv.conf.d/head'],
  '/etc/dhcp': ['/etc/dhcp/dhclient.conf'],
  '/etc/dhcpcd.conf': ['/etc/dhcpcd.conf'],
  '/etc/udev/rules.d/*-persistent-*': ['/etc/udev/rules.d/70-persistent-net.rules'],
  '/etc/fstab': ['/etc/fstab'],
  '/etc/crypttab': ['/etc/crypttab'],
  '/etc/mtab': ['/etc/mtab'],
  '/etc/lvm': ['/etc/lvm/lvm.conf', '/etc/lvm/backup/vg0'],
  '/etc/mdadm': ['/etc/mdadm/mdadm.conf'],
  '/etc/mdadm.conf': ['/etc/mdadm.conf'],
  '/etc/multipath': ['/etc/multipath/wwids'],
  '/etc/multipath.conf': ['/etc/multipath.conf'],
  '/etc/iscsi': ['/etc/iscsi/initiatorname.iscsi'],
  '/etc/nvme': ['/etc/nvme/hostnqn'],
  '/etc/drbd.conf': ['/etc/drbd.conf'],
  '/etc/drbd.d': ['/etc/drbd.d/r0.res'],
  '/etc/zfs': ['/etc/zfs/zpool.cache'],
  '/etc/adjtime': ['/etc/adjtime'],
  '/etc/corosync': ['/etc/corosync/corosync.conf', '/etc/corosync/authkey'],
  '/etc/pacemaker': ['/etc/pacemaker/authkey'],
  '/etc/cluster': ['/etc/cluster/cluster.conf'],
  '/etc/booth': ['/etc/booth/booth.conf'],
  '/etc/pcs': ['/etc/pcs/known-hosts'],
  '/etc/crm': ['/etc/crm/crm.conf'],
  '/etc/keepalived': ['/etc/keepalived/keepalived.conf'],
  '/etc/ha.d': ['/etc/ha.d/ha.cf'],
  '/etc/sysconfig/sbd': ['/etc/sysconfig/sbd'],
  '/etc/default/sbd': ['/etc/default/sbd'],
  '/etc/{default,sysconfig}/{corosync,pacemaker,pcsd,keepalived}': [
    '/etc/default/pacemaker',
    '/etc/sysconfig/pcsd',
  ],
  '/etc/csync2*': ['/etc/csync2.cfg', '/etc/csync2/csync2.cfg'],
  '/etc/lsyncd*': ['/etc/lsyncd.conf', '/etc/lsyncd/lsyncd.conf.lua'],
  '/etc/incron*': ['/etc/incron.d/etc', '/etc/incron.conf'],
  '/etc/{passwd,shadow,group,gshadow}': ['/etc/passwd', '/etc/shadow', '/etc/group', '/etc/gshadow'],
  '/etc/{passwd,shadow,group,gshadow}-': ['/etc/passwd-', '/etc/shadow-', '/etc/group-', '/etc/gshadow-'],
  '/etc/{subuid,subgid}': ['/etc/subuid', '/etc/subgid'],
  '/etc/{subuid,subgid}-': ['/etc/subuid-', '/etc/subgid-'],
  '/etc/security/opasswd': ['/etc/security/opasswd'],
  '/etc/sudoers*': ['/etc/sudoers', '/etc/sudoers.d/admins'],
  '/etc/pam.d': ['/etc/pam.d/common-auth'],
  '/etc/pam.conf': ['/etc/pam.conf'],
  '/etc/ld.so.preload': ['/etc/ld.so.preload'],
  '/etc/default/grub': ['/etc/default/grub'],
  '/etc/default/grub.d': ['/etc/default/grub.d/50-cloud.cfg'],
  '/etc/default/grub-*': ['/etc/default/grub-btrfs'],
  '/etc/grub.d': ['/etc/grub.d/40_custom'],
  '/etc/grub*.{conf,cfg}': ['/etc/grub2.cfg', '/etc/grub2-efi.cfg', '/etc/grub.conf'],
  '/etc/initramfs-tools': ['/etc/initramfs-tools/modules'],
  '/etc/dracut.conf': ['/etc/dracut.conf'],
  '/etc/dracut.conf.d': ['/etc/dracut.conf.d/a.conf'],
  '/etc/kernel*': ['/etc/kernel/postinst.d/zz', '/etc/kernel-img.conf'],
  '/etc/sysconfig/kernel': ['/etc/sysconfig/kernel'],
  '/etc/modules': ['/etc/modules'],
  '/etc/modules-load.d': ['/etc/modules-load.d/modules.conf'],
  '/etc/modprobe.d': ['/etc/modprobe.d/blacklist.conf'],
  '/etc/rc?.d': ['/etc/rc2.d/S01bm-core', '/etc/rcS.d/S01a'],
  '/etc/rc.d/rc?.d': ['/etc/rc.d/rc3.d/S10network'],
  '/etc/systemd/*/*.{wants,requires,upholds}': [
    '/etc/systemd/system/multi-user.target.wants/bm-core.service',
    '/etc/systemd/system/bm.target.requires/a.service',
    '/etc/systemd/user/default.target.wants/a.service',
  ],
  '/etc/systemd/system/default.target': ['/etc/systemd/system/default.target'],
  '/etc/systemd/system/dbus-*.service': ['/etc/systemd/system/dbus-org.freedesktop.timesync1.service'],
  '/etc/systemd/system.control': ['/etc/systemd/system.control/a.service.d/50.conf'],
  '/etc/systemd/system.attached': ['/etc/systemd/system.attached/a.service'],
  '/etc/ld.so.cache': ['/etc/ld.so.cache'],
  '/etc/udev/hwdb.bin': ['/etc/udev/hwdb.bin'],
  '/etc/apparmor.d/cache*': ['/etc/apparmor.d/cache/a', '/etc/apparmor.d/cache.d/b'],
  '/etc/console-setup/cached_*': ['/etc/console-setup/cached_UTF-8_del.kmap.gz'],
  '/etc/*.cache': ['/etc/other.cache'],
  '/etc/.updated': ['/etc/.updated'],
  '/etc/.pwd.lock': ['/etc/.pwd.lock'],
  '/etc/**/*.lock': ['/etc/subuid.lock', '/etc/bm/some.lock'],
  '/etc/**/*.dpkg-*': ['/etc/nginx/nginx.conf.dpkg-new', '/etc/default/a.dpkg-dist'],
  '/etc/**/*.ucf-*': ['/etc/php/php.ini.ucf-dist'],
  '/etc/**/*.rpm{new,save,orig,moved}': ['/etc/nginx/nginx.conf.rpmnew', '/etc/a.rpmsave', '/etc/b.rpmorig'],
  '/etc/**/*.sw[opx]': ['/etc/nginx/.nginx.conf.swp', '/etc/.a.swx'],
  '/etc/**/*~': ['/etc/bm/bm.ini~', '/etc/.bm.ini.un~'],
  '/etc/**/.#*': ['/etc/postfix/.#main.cf'],
  '/etc/**/#*#': ['/etc/postfix/#main.cf#'],
  '/etc/**/4913': ['/etc/4913', '/etc/bm/4913'],
  '/etc/**/.nfs????????*': ['/etc/bm/.nfs000000000012a45b00000001'],
  '/etc/.git': ['/etc/.git/HEAD'],
  '/etc/.hg': ['/etc/.hg/store'],
  '/etc/.bzr': ['/etc/.bzr/README'],
  '/etc/.etckeeper': ['/etc/.etckeeper'],
  '/etc/apt': ['/etc/apt/sources.list.d/bm.list'],
  '/etc/yum.repos.d': ['/etc/yum.repos.d/bm.repo'],
  '/etc/yum.conf': ['/etc/yum.conf'],
  '/etc/yum': ['/etc/yum/vars/a'],
  '/etc/dnf': ['/etc/dnf/dnf.conf'],
  '/etc/zypp': ['/etc/zypp/zypp.conf'],
  '/etc/alternatives': ['/etc/alternatives/editor'],
  '/etc/bm-confsync': ['/etc/bm-confsync/config.yml', '/etc/bm-confsync/id_ed25519'],
  '/etc/cron.d/bm-confsync*': ['/etc/cron.d/bm-confsync'],
  '/etc/default/bm-confsync': ['/etc/default/bm-confsync'],
  '/etc/bm/*.disabled': ['/etc/bm/bm-core.disabled', '/etc/bm/metrics.disabled'],
  '/etc/bm/continuous.*': ['/etc/bm/continuous.clone', '/etc/bm/continuous.fork'],
  '/etc/bm/clone.state.json': ['/etc/bm/clone.state.json'],
  '/etc/bm/mcast.id.clone': ['/etc/bm/mcast.id.clone'],
  '/etc/bm/usage-from-metrics.json': ['/etc/bm/usage-from-metrics.json'],
  '/etc/bm/default/*.ini': ['/etc/bm/default/bm-core.ini'],
  '/etc/postgresql/*/main/postgresql.conf.pimp': ['/etc/postgresql/16/main/postgresql.conf.pimp'],
  '/etc/bm/pg.need.postupgrade': ['/etc/bm/pg.need.postupgrade'],
  '/etc/bm/skip.restart': ['/etc/bm/skip.restart'],
  '/etc/bm/non.blocking.checks': ['/etc/bm/non.blocking.checks'],
  '/etc/**/BM-DONOTCONF': ['/etc/nginx/BM-DONOTCONF'],
  '/etc/postfix/updateMaps.sh': ['/etc/postfix/updateMaps.sh'],
};

const source = readFileSync(file, 'utf8').split('\n');

for (const [pattern, examples] of Object.entries(excluded)) {
  test(`leaves out ${pattern} by its own line`, () => {
    for (const example of examples) {
      const { included, rule } = lists.decide(path(example));
      assert.equal(included, false, example);
      assert.equal(rule?.pattern, pattern, example);
      assert.equal(rule.file, file);
      assert.equal(source[rule.line - 1]?.trim(), `- ${pattern}`);
    }
  });
}

test('every exclusion has an example above and a comment that says why', () => {
  const start = source.indexOf('exclude:');
  const end = source.indexOf('groups:');
  assert.ok(start > 0 && end > start);
  const items = source.slice(start, end).filter((line) => line.startsWith('  - '));
  assert.deepEqual(
    items.map((line) => line.slice(4)),
    Object.keys(excluded),
  );
  source.slice(start, end).forEach((line, index, lines) => {
    if (!line.startsWith('  - ')) return;
    let above = index - 1;
    while (lines[above]?.startsWith('  - ')) above -= 1;
    assert.match(lines[above] ?? '', /^ {2}# (?!---)/, `a reason above ${line}`);
  });
});

const included = [
  '/etc/aliases',
  '/etc/aliases.db',
  '/etc/mailname',
  '/etc/sysctl.conf',
  '/etc/sysctl.d/01-bluemind.conf',
  '/etc/ssl/certs/bm_cert.pem',
  '/etc/ssl/certs/bm_cert-example.org.pem',
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/bm/bm.ini',
  '/etc/bm/bm.ini.192.0.2.1',
  '/etc/bm/server.uid',
  '/etc/bm/mcast.id',
  '/etc/bm/bm-core.tok',
  '/etc/bm/bm.jks',
  '/etc/bm/certs/bm_cert.pem',
  '/etc/bm/local/bm-core.ini',
  '/etc/bm/usage-prediction.json',
  '/etc/bm/no.mail.indexing',
  '/etc/bm-hps/krb5.keytab',
  '/etc/bm-webmail/config',
  '/etc/nginx/nginx.conf',
  '/etc/nginx/sw.htpasswd',
  '/etc/nginx/bm-local.d/own.conf',
  '/etc/postfix/main.cf',
  '/etc/postfix/virtual_alias-flat.db',
  '/etc/postgresql/16/main/postgresql.conf',
  '/etc/imapd.conf',
  '/etc/cyrus.conf',
  '/etc/cyrus-partitions',
  '/etc/cron.d/backup',
  '/etc/default/bm-core',
  '/etc/init.d/bm-iptables',
  '/etc/telegraf/telegraf.d/bm.conf',
  '/etc/systemd/system/bm-core.service.d/memory.conf',
  '/etc/foo[1].conf',
  '/etc/localtime',
  '/etc/.hidden',
  '/usr/share/bm-elasticsearch/config/elasticsearch.yml',
  '/var/lib/bm-ca/ca-cert.pem',
  '/var/lib/bm-ca/cacert.pem',
];

for (const one of included) {
  test(`takes ${one}`, () => {
    assert.equal(lists.includes(path(one)), true);
  });
}

test('nothing else is taken or walked', () => {
  const outside = ['/etc', '/root/.ssh/id_rsa', '/usr/share/bm-elasticsearch/config/jvm.options'];
  for (const one of outside) assert.equal(lists.includes(path(one)), false, one);
  for (const one of ['/root', '/usr/bin', '/var/spool', '/etc/ssh'])
    assert.equal(lists.mayContain(path(one)), false, one);
  assert.deepEqual(lists.roots, [
    '/etc',
    '/usr/share/bm-elasticsearch/config/elasticsearch.yml',
    '/var/lib/bm-ca/ca-cert.pem',
    '/var/lib/bm-ca/cacert.pem',
  ]);
});

test('all files of the groups are replicated', () => {
  assert.deepEqual(
    lists.groups.map(({ name }) => name),
    ['mail-aliases', 'postfix-maps', 'keystores', 'certificate'],
  );
  for (const one of lists.groups.flatMap(({ files }) => files)) assert.equal(lists.includes(one), true, one);
});

test('checks the certificate before it is placed, and runs nothing unasked afterwards', () => {
  assert.deepEqual(
    lists.validators.map(({ match, run }) => [match, run]),
    [['/etc/ssl/certs/bm_cert.pem', ['openssl', 'x509', '-noout', '-in', '{file}']]],
  );
  assert.deepEqual(lists.applies, []);
});
