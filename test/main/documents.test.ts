import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { unknownWord } from '../rig/commands.ts';
import {
  anchorOf,
  blocksOf,
  commandLinesOf,
  documentsOf,
  headingsOf,
  namedCommandsOf,
} from '../rig/documents.ts';
import { checkout } from '../rig/program.ts';
import { notYet } from './not-yet.ts';

const documents = documentsOf(checkout);
const textOf = (file: string): string => documents.get(file) ?? '';

describe('the documents', () => {
  it('show no command or option that the program does not know', () => {
    for (const [file, text] of documents)
      for (const words of [...commandLinesOf(text), ...namedCommandsOf(text)]) {
        const line = words.join(' ');
        if (notYet.has(line)) continue;
        assert.equal(unknownWord(words), undefined, `${file}: bm-confsync ${line}`);
      }
  });

  it('show a command as coming only as long as it is, and only such ones', () => {
    const shown = [...documents.values()].flatMap((text) => [
      ...commandLinesOf(text),
      ...namedCommandsOf(text),
    ]);
    const lines = new Set(shown.map((words) => words.join(' ')));
    for (const [line, feature] of notYet) {
      assert.notEqual(unknownWord(line.split(' ')), undefined, `${feature} is here: take out ${line}`);
      assert.ok(lines.has(line), `no document shows ${line}`);
    }
  });

  it('find what is unknown', () => {
    assert.equal(unknownWord(['nothing']), 'nothing');
    assert.equal(unknownWord(['verify', '--nothing']), '--nothing');
    assert.equal(unknownWord(['ha', 'disable', '--reason', 'x', '--nothing=1']), '--nothing');
    assert.equal(unknownWord(['conflicts', '--json']), undefined);
  });

  it('link to files and titles that are there', () => {
    let links = 0;
    for (const [file, text] of documents)
      for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:/.test(target)) continue;
        links += 1;
        const [path = '', anchor] = target.split('#');
        const found = path === '' ? file : join(dirname(file), path);
        assert.ok(existsSync(join(checkout, found)), `${file}: ${target}`);
        if (anchor !== undefined)
          assert.ok(headingsOf(textOf(found)).map(anchorOf).includes(anchor), `${file}: ${target}`);
      }
    assert.ok(links > 10, String(links));
  });

  it('name tests that are there', () => {
    const named = [
      ...textOf('docs/failure-modes.md').matchAll(
        /`((?:core|main|passive|active|state|files|watch|wire|systemd|control|ha|model)\/[\w-]+)`/g,
      ),
    ];
    assert.ok(named.length > 20, String(named.length));
    for (const [, test = ''] of named) assert.ok(existsSync(join(checkout, 'test', `${test}.test.ts`)), test);
  });

  it('keep the README short', () => {
    const own = textOf('README.md').replace(/<!-- bench:start -->.*<!-- bench:end -->/s, '');
    assert.ok(own.split('\n').length < 400);
  });
});

describe('the guide in French', () => {
  const english = textOf('docs/guide.md');
  const french = textOf('docs/guide.fr.md');

  it('has the same titles, level by level', () => {
    const levels = (text: string): string[] => headingsOf(text).map((line) => line.split(' ')[0] ?? '');
    assert.deepEqual(levels(french), levels(english));
  });

  it('shows the same blocks to type', () => {
    assert.deepEqual(blocksOf(french, '[a-z]*'), blocksOf(english, '[a-z]*'));
    assert.ok(blocksOf(french, '[a-z]*').length > 20);
  });

  const symptoms = (text: string): string[] =>
    [...text.matchAll(/^\| `([^`]+)`/gm)].map(([, symptom = '']) => symptom);

  it('has the same symptoms', () => assert.deepEqual(symptoms(french), symptoms(english)));

  it('names symptoms in the words of the program', () => {
    const sources = globSync('src/**/*.ts', { cwd: checkout })
      .map((file) => readFileSync(join(checkout, file), 'utf8'))
      .join('\n');
    for (const symptom of symptoms(english))
      for (const part of symptom.split('…')) assert.ok(sources.includes(part.trim()), symptom);
  });
});
