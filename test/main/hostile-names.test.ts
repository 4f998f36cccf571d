import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { Pair, type Ran } from '../world/pair.ts';
import { differences, write } from '../world/tree.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
const raw = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;

/** What a command shows to a person has no control character in it. */
function assertHarmless(ran: Ran): void {
  assert.doesNotMatch(ran.stdout, raw);
  assert.doesNotMatch(ran.stderr, raw);
}

const sequence = '\u001b]0;pwned\u0007\u001b[2J\u009b31m';

const oddNames = [
  'new\nline',
  '\n',
  ' leading and trailing ',
  'tab\tand\rreturn',
  '"double" and \'single\'',
  '$(touch pwned); `id` && rm -rf * | cat',
  '*',
  '?',
  '[a-z]',
  '{a,b}',
  '!not',
  '+(x|y)',
  '**',
  'back\\slash',
  '-rf',
  '--',
  '...',
  '~',
  '#hash%41',
  '__proto__',
  'constructor',
  'toString',
  `esc${sequence}`,
  'r\u202etl',
  'é',
  'e\u0301',
  '日本語',
  '\u{1f4be}',
  '\uffff',
  'n'.repeat(255),
  'é'.repeat(127),
];

describe('names', () => {
  it('arrives whatever is in it, as file, directory and link, at the start, later, and when it goes', async () => {
    await using pair = await Pair.open({
      active: { limits: { massDeletion: { paths: 1000, percent: 100 } } },
    });
    const put = (folder: string): void => {
      for (const name of oddNames) {
        write(pair.root('active'), {
          [`etc/${folder}/files/${name}`]: name,
          [`etc/${folder}/directories/${name}/inside`]: name,
          [`etc/${folder}/links/${name}`]: { symlink: name },
        });
      }
    };
    put('before');
    const daemon = await pair.startActive();
    put('after');
    const flushed = await pair.flush();
    assert.equal(flushed.code, 0, flushed.stdout + flushed.stderr + daemon.log().slice(-2000));
    assert.equal(differences(pair.root('active'), pair.root('passive')), '');
    assert.doesNotMatch(daemon.log(), raw);
    const verified = await pair.run('active', ['verify', '--full']);
    assert.equal(verified.code, 0, verified.stdout);

    execFileSync('rm', ['-rf', join(pair.root('active'), 'etc', 'after')]);
    assert.equal((await pair.flush()).code, 0);
    assert.deepEqual(readdirSync(join(pair.root('passive'), 'etc')), ['before']);
    assert.equal(differences(pair.root('active'), pair.root('passive')), '');
  });

  it('never reaches the terminal raw, from status, verify, explain, flush or the log', async () => {
    await using pair = await Pair.open();
    const fifo = join(pair.root('active'), 'etc', `fifo${sequence}`);
    write(pair.root('active'), {
      [`etc/file${sequence}`]: 'text\n',
      [`etc/gone${sequence}`]: 'text\n',
      [`etc/link${sequence}`]: { symlink: `to${sequence}` },
    });
    execFileSync('mkfifo', [fifo]);
    const daemon = await pair.startActive();
    await pair.flush();
    write(pair.root('passive'), {
      [`etc/extra${sequence}`]: 'extra',
      [`etc/file${sequence}`]: `other${sequence}\n`,
    });
    execFileSync('rm', [join(pair.root('passive'), `etc/gone${sequence}`)]);
    execFileSync('ln', ['-sfn', `elsewhere${sequence}`, join(pair.root('passive'), `etc/link${sequence}`)]);
    writeFileSync(join(pair.root('active'), `etc/file${sequence}`), 'both\n');
    await eventually('the conflict is seen', () => daemon.log().includes('conflict'), { detail: daemon.log });

    const status = await pair.run('active', ['status']);
    assert.match(status.stdout, /skipped: \/etc\/fifo\\x1b\]0;pwned\\x07.*unsupported-type/);
    assertHarmless(status);
    const verified = await pair.run('active', ['verify', '--diff']);
    for (const name of ['file', 'gone', 'extra', 'link', 'fifo'])
      assert.match(verified.stdout, new RegExp(`/etc/${name}\\\\x1b`));
    assertHarmless(verified);
    assertHarmless(await pair.run('active', ['verify', '--nagios']));
    assertHarmless(await pair.run('active', ['status', '--nagios']));
    assertHarmless(await pair.run('active', ['notice']));
    for (const name of ['file', 'link', 'fifo', 'none']) {
      const explained = await pair.run('active', ['explain', `/etc/${name}${sequence}`]);
      assert.match(explained.stdout, new RegExp(`^/etc/${name}\\\\x1b`));
      assertHarmless(explained);
    }
    assertHarmless(await pair.run('active', ['watchlist', 'test', `/etc/file${sequence}`]));
    assertHarmless(await pair.flush());
    assertHarmless(await pair.run('active', ['resync', '--dry-run']));
    assertHarmless(await pair.run('active', ['resync', '--yes']));
    assert.doesNotMatch(daemon.log(), raw);
  });

  it('never reaches the terminal raw from an argument that is refused', async () => {
    await using pair = await Pair.open();
    const refused = await pair.run('active', ['explain', `not absolute ${sequence}`]);
    assert.equal(refused.code, 2);
    assertHarmless(refused);
  });

  it('is reported with its bytes when it is not UTF-8, and the rest goes on', async () => {
    await using pair = await Pair.open();
    const folder = join(pair.root('active'), 'etc', 'mixed');
    mkdirSync(folder, { recursive: true });
    const latin = (name: string): Buffer =>
      Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name, 'latin1')]);
    writeFileSync(latin('caf\xe9.conf'), 'latin 1');
    mkdirSync(latin('d\xe9p\xf4t'));
    writeFileSync(latin('d\xe9p\xf4t/inside'), 'below');
    writeFileSync(join(folder, 'plain.conf'), 'plain');
    writeFileSync(join(folder, 'caf\uFFFD.conf'), 'the replacement character itself');
    const daemon = await pair.startActive();
    writeFileSync(latin('later\xff'), 'later');
    writeFileSync(join(folder, 'later.conf'), 'later');
    const flushed = await pair.flush();
    assert.equal(flushed.code, 0, flushed.stdout + flushed.stderr);
    assert.deepEqual(readdirSync(join(pair.root('passive'), 'etc', 'mixed')), ['later.conf', 'plain.conf']);

    // People see the first three of them.
    const { troubles } = (await pair.json('active', ['status'])) as {
      troubles: { path: string; detail: string }[];
    };
    for (const [name, hex] of [
      ['caf\\xe9.conf', '636166e92e636f6e66'],
      ['d\\xe9p\\xf4t', '64e970f474'],
      ['later\\xff', '6c61746572ff'],
    ] as const) {
      const trouble = troubles.find(({ path }) => path === `/etc/mixed/${name}`);
      assert.ok(trouble?.detail.includes(hex), JSON.stringify(troubles));
      assert.ok(daemon.log().includes(hex), daemon.log());
    }
    const verified = await pair.run('active', ['verify']);
    assert.equal(verified.code, 0, verified.stdout);
    assert.ok(verified.stdout.includes('636166e92e636f6e66'), verified.stdout);
  });

  it('arrives when its path is almost as long as the system allows', async () => {
    await using pair = await Pair.open();
    // The passive's root is the longer one, and the kernel takes 4095 bytes.
    const room = 4090 - pair.at('passive', '/etc').length;
    const path = [
      '/etc',
      ...Array.from({ length: Math.floor(room / 256) }, (_, n) => `${n}`.padStart(255, 'd')),
    ].join('/');
    const leaf = 'l'.repeat(room % 256 > 1 ? (room % 256) - 1 : 1);
    const daemon = await pair.startActive();
    write(pair.root('active'), { [`${path}/${leaf}`]: 'deep' });
    await eventually('it arrives', () => existsSync(pair.at('passive', `${path}/${leaf}`)), {
      detail: () => daemon.log().slice(-3000),
    });
    assert.equal(readFileSync(pair.at('passive', `${path}/${leaf}`), 'utf8'), 'deep');
    writeFileSync(pair.at('active', `${path}/${leaf}`), 'changed');
    assert.equal((await pair.flush()).code, 0);
    assert.equal(readFileSync(pair.at('passive', `${path}/${leaf}`), 'utf8'), 'changed');
    assert.equal((await pair.run('active', ['verify', '--full'])).code, 0);
    const explained = await pair.run('active', ['explain', `${path}/${leaf}`]);
    assert.equal(explained.code, 0, explained.stderr);
  });
});
