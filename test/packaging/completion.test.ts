import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { childrenOf, knownCommands, longOptions } from '../rig/commands.ts';
import { checkout } from '../rig/program.ts';
import { temporaryFolder } from '../world/tree.ts';

describe('completion', () => {
  let folder: string;
  before(() => {
    folder = temporaryFolder('completion');
    execFileSync(process.execPath, [join(checkout, 'packaging/completion.mjs'), join(folder, 'made')]);
    mkdirSync(join(folder, 'etc', 'a b'), { recursive: true });
    writeFileSync(join(folder, 'etc', 'ab.conf'), '');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** What a Tab at the end of each of these lines offers, in a bash that has read no other file. */
  function inBash(lines: readonly (readonly string[])[]): string[][] {
    const asked = lines.map((words) => {
      const quoted = ['bm-confsync', ...words].map((word) => `'${word}'`).join(' ');
      return `COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _bm_confsync; printf '%s\\n' "\${COMPREPLY[@]}"; echo ==`;
    });
    const script = [`set -u; . ${folder}/made/bash/bm-confsync`, 'complete -p bm-confsync', ...asked].join(
      '\n',
    );
    const options = { input: script, encoding: 'utf8', cwd: folder } as const;
    const [declared = '', ...answers] = execFileSync('bash', ['--norc', '-s'], options).split(/\n(?=.)/);
    assert.equal(declared, 'complete -F _bm_confsync bm-confsync');
    const parts = answers
      .join('\n')
      .split(/^==\n?/m)
      .slice(0, -1);
    return parts.map((part) => part.split('\n').filter(Boolean));
  }

  it('in bash offers every command and option', () => {
    const known = knownCommands();
    const offered = inBash(
      known.flatMap(({ words }) => [
        [...words, ''],
        [...words, '--'],
      ]),
    );
    known.forEach(({ words, command }, index) => {
      const [children = [], options = []] = offered.slice(2 * index, 2 * index + 2);
      const names = childrenOf(command).map((child) => child.name());
      if (names.length > 0) assert.deepEqual(children, names, words.join(' '));
      assert.deepEqual(options, [...longOptions(command), '--help'], words.join(' '));
    });
  });

  it('in bash knows choices, paths, what a value is, and where the command stands', () => {
    const cases: readonly [string[], string[]][] = [
      [['conf'], ['conflicts']],
      [['init', '--role', 'a'], ['active']],
      [['init', '--role', '=', 'p'], ['passive']],
      [
        ['init', '--role', '='],
        ['active', 'passive'],
      ],
      // The name of a node may be that of a command.
      [['init', '--node', 'status', '--ro'], ['--role']],
      [['ha', '--config', 'x', 'dis'], ['disable']],
      [['ha', 'disable', '--reason', ''], []],
      [['conflicts', 'resolve', 'x', '--take', 'p'], ['passive']],
      [
        ['explain', 'etc/a'],
        ['etc/a b', 'etc/ab.conf'],
      ],
      [['verify', '--config', 'etc/ab'], ['etc/ab.conf']],
      [['verify', 'etc/a'], []],
    ];
    const offered = inBash(cases.map(([words]) => words));
    cases.forEach(([words, expected], index) => {
      assert.deepEqual(offered[index]?.toSorted(), expected, words.join(' '));
    });
  });

  it('in zsh is a completion of every command and option', () => {
    const known = knownCommands();
    // What the functions hand over to the completion of zsh.
    const script = `
      compdef() { :; }
      _arguments() { print -rl -- "$@" }
      . ${folder}/made/zsh/_bm-confsync
      for one in "$@"; do $one; print -r -- --; done`;
    const names = known.map(({ words }) => ['_bm_confsync', ...words].join('_'));
    const parts = execFileSync('zsh', ['-f', '-c', script, 'zsh', ...names], { encoding: 'utf8' }).split(
      /^--\n/m,
    );
    known.forEach(({ words, command }, index) => {
      for (const option of longOptions(command))
        assert.match(
          parts[index] ?? '',
          new RegExp(`^${option}\\[.+\\]`, 'm'),
          `${words.join(' ')} ${option}`,
        );
      for (const choice of command.options.flatMap(({ argChoices }) => argChoices ?? []))
        assert.match(parts[index] ?? '', new RegExp(`[( ]${choice}[ )]`), choice);
      for (const child of childrenOf(command))
        assert.ok(names.includes(['_bm_confsync', ...words, child.name()].join('_')), child.name());
    });
  });
});
