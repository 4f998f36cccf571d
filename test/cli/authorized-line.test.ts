import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import {
  authorizedLine,
  editAuthorizedKeys,
  withLine,
  withoutLines,
} from '../../src/cli/pair/authorized-line.ts';
import { Failure } from '../../src/core/failure.ts';

const publicKey = `ssh-ed25519 ${'A'.repeat(68)}`;
const ours = { publicKey, node: 'mail1', command: 'bm-confsync receive', from: ['192.0.2.1', '2001:db8::1'] };
const line = `restrict,command="bm-confsync receive",from="192.0.2.1,2001:db8::1" ${publicKey} bm-confsync@mail1`;

describe('the line for a peer in authorized_keys', () => {
  it('lets one key run one command from its addresses', () => assert.equal(authorizedLine(ours), line));

  it('quotes what sshd would take for the end of the command', () =>
    assert.match(authorizedLine({ ...ours, command: 'x "a\\b"' }), /command="x \\"a\\\\b\\"",/));

  const cases: [string, string, string][] = [
    ['to an empty file', '', `${line}\n`],
    ['after a line without its end', 'ssh-rsa AAAA me', `ssh-rsa AAAA me\n${line}\n`],
    ['in the place of the same key with other options', `# a\n${publicKey} x\n# b\n`, `# a\n${line}\n# b\n`],
    ['once, where the key stood twice', `${publicKey} x\n# b\nno-pty ${publicKey}\n`, `${line}\n# b\n`],
    ['after a comment that holds the key', `# ${publicKey} x\n`, `# ${publicKey} x\n${line}\n`],
    ['not at all where it is', `# a\n${line}`, `# a\n${line}`],
  ];
  for (const [what, given, expected] of cases)
    it(`goes ${what}`, () => assert.equal(withLine(given, ours), expected));

  it('goes away again, and nothing else does', () => {
    const others = `# bm-confsync@mail1\nssh-rsa AAAA bm-confsync@mail1\n${line.replaceAll('mail1', 'mail3')}\n`;
    assert.equal(withoutLines(`${others}${line}\n`, 'mail1'), others);
    assert.equal(withoutLines(others, 'mail1'), others);
  });
});

describe('authorized_keys', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bmcs-keys-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const ssh = join(folder, '.ssh');
  const file = join(ssh, 'authorized_keys');
  beforeEach(() => rmSync(ssh, { recursive: true, force: true }));
  const edit = (): ReturnType<typeof editAuthorizedKeys> => editAuthorizedKeys(file, (text) => `${text}x\n`);

  it('is made for its owner alone where there is none, with its folder', () => {
    assert.equal(edit(), 'changed');
    assert.deepEqual([statSync(ssh).mode & 0o777, statSync(file).mode & 0o777], [0o700, 0o600]);
    assert.equal(readFileSync(file, 'utf8'), 'x\n');
    assert.equal(
      editAuthorizedKeys(file, (text) => text),
      'kept',
    );
  });

  const loose: [string, () => void, RegExp][] = [
    ['a file that others may write to', () => chmodSync(file, 0o666), /found mode 666/],
    ['a folder that others may write to', () => chmodSync(ssh, 0o777), /found mode 777/],
    [
      'a link',
      () => {
        rmSync(file);
        symlinkSync('/etc/passwd', file);
      },
      /found a symbolic link/,
    ],
  ];
  for (const [what, make, found] of loose) {
    it(`is left alone where it is ${what}`, () => {
      mkdirSync(ssh, { mode: 0o700 });
      writeFileSync(file, 'before\n', { mode: 0o600 });
      make();
      assert.throws(
        edit,
        (error) => error instanceof Failure && error.code === 'loose-keys' && found.test(error.message),
      );
      assert.notEqual(readFileSync(file, 'utf8').slice(-2), 'x\n');
    });
  }
});
