import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { write } from '../world/tree.ts';
import { type Booted, boot, noBoot } from './booted.ts';

/** Both nodes on one machine, below /var/pair; the active with the configuration that its unit reads. */
const pairOnOneMachine = {
  'active.yml': `node: mail1
root: /var/pair/active
watchlists: [/var/pair/list.yml]
limits: { minFreeDisk: 1 }
peers:
  - name: mail2
    host: 127.0.0.1
    port: 2222
`,
  'passive.yml': `node: mail2
root: /var/pair/passive
state: /var/pair/state
runtime: /var/pair/run
watchlists: [/var/pair/list.yml]
limits: { minFreeDisk: 1 }
`,
  'list.yml': 'name: test\ninclude: [/etc/**]\n',
};

/** The life of the .deb on a machine with systemd: both packages are files of the folder. */
export function whereSystemdRuns(
  given: () => { readonly folder: string; readonly first: string; readonly second: string },
): void {
  describe('where systemd runs', { skip: noBoot }, () => {
    let there: Booted;
    const inside = (path: string): string => path.replace(given().folder, '/share');
    before(async () => {
      there = await boot(given().folder);
    });
    after(() => there?.[Symbol.asyncDispose]());

    /** Whether the daemon runs, and whether it would after a boot. */
    const service = (): Promise<string> =>
      there.shell('for ask in is-active is-enabled; do systemctl $ask bm-confsync || true; done');
    const mainProcess = (): Promise<string> => there.shell('systemctl show -P MainPID bm-confsync');
    const replicate = (text: string): Promise<string> =>
      there.shell(`
        echo ${text} >/var/pair/active/etc/edited
        bm-confsync flush --timeout 30s >/dev/null
        cat /var/pair/passive/etc/edited`);

    it('installing starts nothing', async () => {
      await there.shell(`dpkg --install ${inside(given().first)}`);
      assert.equal(await service(), 'inactive\ndisabled\n');
      assert.equal(
        await there.shell('systemctl start bm-confsync && systemctl is-active bm-confsync || true'),
        'inactive\n',
      );
      assert.equal(await there.shell('systemctl --failed --no-legend'), '');
    });

    it('the daemon does its work within what its unit leaves it', async () => {
      write(given().folder, pairOnOneMachine);
      await there.shell(`
        ip link set lo up
        mkdir -p /etc/bm-confsync /var/pair/active/etc /var/pair/passive/etc /run/sshd
        ssh-keygen -q -t ed25519 -N '' -f /var/pair/host
        cp /share/passive.yml /share/list.yml /var/pair/
        { cat /share/active.yml; echo "    hostKey: $(cut -d ' ' -f 1-2 /var/pair/host.pub)"; } >/etc/bm-confsync/config.yml
        chmod -R go= /etc/bm-confsync /var/pair/*.yml
        bm-confsync init --node mail1 --role active
        bm-confsync init --node mail2 --role passive --config /var/pair/passive.yml
        echo "restrict,command=\\"bm-confsync receive --config /var/pair/passive.yml\\" $(cat /etc/bm-confsync/*.pub)" >/var/pair/keys
        /usr/sbin/sshd -p 2222 -h /var/pair/host -o AuthorizedKeysFile=/var/pair/keys -o UsePAM=yes \\
          -o PermitRootLogin=forced-commands-only -o PidFile=none -o StrictModes=no
        echo secret >/var/pair/active/etc/owned
        chown 1:2 /var/pair/active/etc/owned
        chmod 4750 /var/pair/active/etc/owned
        setfattr -n user.note -v seen /var/pair/active/etc/owned
        systemctl enable --now bm-confsync`);
      assert.equal(await service(), 'active\nenabled\n');
      assert.equal(await replicate('one'), 'one\n');
      const same = 'rsync -naXAi --delete -O /var/pair/active/etc/ /var/pair/passive/etc/';
      assert.equal(await there.shell(same), '');
      const status = await there.shell(`cat /proc/$(systemctl show -P MainPID bm-confsync)/status`);
      assert.match(status, /^NoNewPrivs:\t1$/m);
      assert.match(status, /^Seccomp:\t2$/m);
      await there.shell('systemctl start bm-confsync-verify.service');
    });

    it('an upgrade starts the daemon anew, in place', async () => {
      const before = await mainProcess();
      await there.shell(`dpkg --install ${inside(given().second)}`);
      assert.notEqual(await mainProcess(), before);
      assert.equal(await service(), 'active\nenabled\n');
      assert.equal(await replicate('two'), 'two\n');
    });

    it('removing ends it, purging takes its traces', async () => {
      await there.shell('dpkg --remove bm-confsync');
      assert.equal(await there.shell('pgrep -f "[b]m-confsync/lib/main.mjs run" || true'), '');
      assert.equal(await there.shell('ls /var/lib/bm-confsync/state.db'), '/var/lib/bm-confsync/state.db\n');
      await there.shell('dpkg --purge bm-confsync');
      assert.equal(await there.shell('find /etc /var/lib -xdev -name "*bm-confsync*"'), '');
      assert.equal(await there.shell('systemctl --failed --no-legend'), '');
    });
  });
}
