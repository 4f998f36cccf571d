import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { generateKeyPair, publicKeyOf } from '../../src/active/link.ts';

describe('a key pair', () => {
  it('is one that its own library reads, each of 3000', () => {
    for (let count = 0; count < 3000; count += 1) {
      const { privateKey, publicKey } = generateKeyPair('bm-confsync@mail1');
      const found = publicKeyOf(Buffer.from(privateKey));
      assert.ok(found !== undefined && publicKey === `${found} bm-confsync@mail1`, privateKey);
    }
  });

  it('is one that OpenSSH reads', () => {
    const folder = mkdtempSync(join(tmpdir(), 'bmcs-key-'));
    const { privateKey, publicKey } = generateKeyPair('bm-confsync@mail1');
    writeFileSync(join(folder, 'key'), privateKey, { mode: 0o600 });
    const read = execFileSync('ssh-keygen', ['-y', '-f', join(folder, 'key')], { encoding: 'utf8' });
    rmSync(folder, { recursive: true });
    assert.equal(read.trim(), publicKey);
  });
});
