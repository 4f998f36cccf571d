import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { type PairedPeer, withoutPeer, withPeer } from '../../src/cli/pair/peers-entry.ts';

const peer: PairedPeer = {
  name: 'mail2',
  host: '192.0.2.2',
  port: 22,
  user: 'root',
  identityFile: '/etc/bm-confsync/id_ed25519',
  hostKey: 'ssh-ed25519 AAAA',
};
const lines = [
  'name: mail2',
  'host: 192.0.2.2',
  'port: 22',
  'user: root',
  'identityFile: /etc/bm-confsync/id_ed25519',
  'hostKey: ssh-ed25519 AAAA',
];
const item = (indent: number): string =>
  lines.map((line, at) => ' '.repeat(indent) + (at === 0 ? '- ' : '  ') + line).join('\n');

const before =
  '# about this node\nnode: mail1   # its name\nlimits: {maxFileSize: 1MiB,  minFreeDisk: 2MiB}\n\n';
const after = '\n# names of watchlists\nwatchlists: [bluemind]\n';

describe('a peer in the configuration', () => {
  const cases: [string, string, string][] = [
    ['an empty list', 'peers: []\n# - name: x\n', `peers:\n${item(2)}\n# - name: x\n`],
    ['nothing behind the key', 'peers:\n', `peers:\n${item(2)}\n`],
    ['null', 'peers: null\n', `peers:\n${item(2)}\n`],
    ['no such key', '', `peers:\n${item(2)}\n`],
    [
      'another peer, whose comments stay',
      'peers:\n- name: mail3  # far away\n  host: mail3\n# the last\n',
      `peers:\n- name: mail3  # far away\n  host: mail3\n${item(0)}\n# the last\n`,
    ],
    [
      'itself, with other data',
      'peers:\n    # ours\n    - host: old\n      name: mail2\n\n    - name: mail3\n      host: mail3\n',
      `peers:\n    # ours\n${item(4)}\n\n    - name: mail3\n      host: mail3\n`,
    ],
    [
      'a list on one line',
      'peers: [{ name: mail3, host: mail3 }]\n',
      `peers:\n  - name: mail3\n    host: mail3\n${item(2)}\n`,
    ],
  ];
  for (const [what, given, expected] of cases) {
    it(`is written where there is ${what}`, () => {
      const text = before + given + after;
      const put = withPeer(text, peer);
      if (given === '') assert.equal(put, `${text}\n${expected}`);
      else assert.equal(put, before + expected + after);
      assert.equal(withPeer(put, peer), put, 'once more changes nothing');
    });
    it(`is taken out again where there was ${what}`, () => {
      const text = before + given + after;
      const { peers: left, ...others } = parse(withoutPeer(withPeer(text, peer), 'mail2')) as {
        peers: { name: string }[];
      };
      const { peers: known, ...same } = parse(text) as { peers?: { name: string }[] | null };
      assert.deepEqual(others, same);
      assert.deepEqual(
        left,
        (known ?? []).filter(({ name }) => name !== 'mail2'),
      );
    });
  }

  it('that is not there is not taken out', () => {
    const text = `${before}peers:\n- name: mail3\n  host: mail3\n${after}`;
    assert.equal(withoutPeer(text, 'mail2'), text);
  });
});
