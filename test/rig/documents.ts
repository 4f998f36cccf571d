import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The documents of a checkout that tell people what to type. */
export function documentsOf(checkout: string): Map<string, string> {
  const files = ['README.md', 'CONTRIBUTING.md', ...globSync('docs/*.md', { cwd: checkout }).sort()];
  return new Map(files.map((file) => [file, readFileSync(join(checkout, file), 'utf8')]));
}

/** Fenced blocks of one language, without the indent they have in a list. Language '.*': of any. */
export function blocksOf(document: string, language: string): string[] {
  const found = document.matchAll(new RegExp(`^( *)\`\`\`${language}\\n(.*?)^\\1\`\`\`$`, 'gms'));
  return [...found].map(([, indent = '', text = '']) => text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''));
}

/** The words of every line in a shell block that calls the program, without its name. */
export function commandLinesOf(document: string): string[][] {
  return blocksOf(document, 'sh')
    .flatMap((block) => block.split('\n'))
    .filter((line) => line.startsWith('bm-confsync '))
    .map(wordsOf);
}

/** The words of what is named in the text, such as `bm-confsync ha status`. */
export function namedCommandsOf(document: string): string[][] {
  const text = document.replaceAll(/^( *)```.*?^\1```$/gms, '');
  return [...text.matchAll(/`(bm-confsync [a-z][^`\n]*)`/g)].map(([, line = '']) => wordsOf(line));
}

function wordsOf(line: string): string[] {
  return [...line.replace(/ +#.*$/, '').matchAll(/"([^"]*)"|\S+/g)]
    .map(([word, quoted]) => quoted ?? word)
    .slice(1);
}

/** The titles of a document with their levels: `## Install`. */
export function headingsOf(document: string): string[] {
  return document
    .replaceAll(/^( *)```.*?^\1```$/gms, '')
    .split('\n')
    .filter((line) => /^#{1,6} /.test(line));
}

/** The anchor of a title, as the pages of the repository have it. */
export function anchorOf(heading: string): string {
  return heading
    .replace(/^#+ /, '')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}
