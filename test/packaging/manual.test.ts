import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import * as z from 'zod';
import { configurationFields, type Field, watchlistFields } from '../../packaging/fields.ts';
import { configSchema, watchlistSchema } from '../../src/config/schema.ts';
import { childrenOf, knownCommands, longOptions } from '../rig/commands.ts';
import { checkout } from '../rig/program.ts';
import { temporaryFolder } from '../world/tree.ts';

describe('the manual pages', () => {
  let folder: string;
  before(() => {
    folder = join(temporaryFolder('manual'), 'man');
    execFileSync(process.execPath, [join(checkout, 'packaging/man.mjs'), folder]);
  });
  after(() => rmSync(dirname(folder), { recursive: true, force: true }));

  /** What stands on a page, without what only typesetting needs. */
  const plain = (page: string): string =>
    readFileSync(join(folder, page), 'utf8')
      .replaceAll(/\\f[BIR]|\\&/g, '')
      .replaceAll('\\-', '-')
      .replaceAll('\\e', '\\')
      .replaceAll('\n', ' ');

  it('are one of each command with all its options, arguments and choices', () => {
    const known = knownCommands();
    assert.ok(known.length > 20);
    for (const { words, command } of known) {
      const page = plain(`${['bm-confsync', ...words].join('-')}.1`);
      assert.ok(page.includes(command.description().replaceAll('`', '')), words.join(' '));
      for (const name of [...longOptions(command), ...childrenOf(command).map((child) => child.name())])
        assert.ok(page.includes(` ${name} `), `${words.join(' ')}: ${name}`);
      for (const argument of command.registeredArguments)
        assert.ok(
          page.toLowerCase().includes(argument.description.replaceAll('`', '').toLowerCase()),
          `${words.join(' ')}: ${argument.name()}`,
        );
      for (const option of command.options)
        for (const choice of option.argChoices ?? []) assert.ok(page.includes(choice), choice);
    }
    const pages = readdirSync(folder).filter((file) => file.endsWith('.1'));
    assert.equal(pages.length, known.length);
  });

  it('have examples and exit codes as the help text has them', () => {
    const page = plain('bm-confsync-restore.1');
    assert.match(
      page,
      /\.SH "EXAMPLES" .*\$ bm-confsync restore \/etc\/postfix\/main\.cf --version 3f2a9c1b70 /,
    );
    assert.match(page, /\.SH "EXIT CODES" .*\.TP 4 refused, with the reason/);
  });

  it('are set by groff without a warning', () => {
    const pages = readdirSync(folder).map((file) => join(folder, file));
    const { status, stderr } = spawnSync('groff', ['-man', '-ww', '-z', '-Tutf8', ...pages], {
      encoding: 'utf8',
    });
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  });

  it('name every key of both files, and no other', () => {
    const keys = (fields: readonly Field[]): string[] => fields.map(([key]) => key).sort();
    assert.deepEqual(keys(configurationFields), keysOf(configSchema).sort());
    assert.deepEqual(keys(watchlistFields), keysOf(watchlistSchema).sort());
    for (const [key] of configurationFields)
      assert.ok(plain('bm-confsync-config.5').includes(`.TP ${key} `), key);
    for (const [key] of watchlistFields)
      assert.ok(plain('bm-confsync-watchlist.5').includes(`.TP ${key} `), key);
  });

  it('show the defaults that both files have', () => {
    const role = { source: 'vip', address: '192.0.2.10' };
    const one = { match: '/etc/a', run: ['true'] };
    const configurations = [{}, { peers: [{ name: 'b', host: 'b' }], role }].map((keys) => {
      return configSchema.parse({ node: 'a', ...keys });
    });
    const watchlists = [{}, { validate: [one], apply: [one] }].map((keys) => {
      return watchlistSchema.parse({ name: 'a', ...keys });
    });
    // Of a list that is empty by default, and of who decides, the keys are those of one that is not.
    const check = (field: Field, values: readonly unknown[]): void => {
      const [key, byDefault] = field;
      const value = values.map((each) => at(each, key)).find((each) => each !== undefined);
      assert.equal(shown(value, byDefault), byDefault, key);
    };
    const optional = ([key, byDefault]: Field): boolean =>
      byDefault !== 'required' && !/^(?:peers|role)$/.test(key);
    for (const field of configurationFields.filter(optional)) check(field, configurations);
    for (const field of watchlistFields.filter(optional)) check(field, watchlists);
  });
});

/** Keys of a schema, with those of what is in it: `limits.massDeletion.paths`. */
function keysOf(schema: z.core.$ZodType): string[] {
  if (schema instanceof z.ZodObject)
    return Object.entries(schema.shape).flatMap(([key, value]) => [
      key,
      ...keysOf(value as z.core.$ZodType).map((below) => `${key}.${below}`),
    ]);
  if (schema instanceof z.ZodDiscriminatedUnion)
    return [...new Set(schema.options.flatMap((option) => keysOf(option)))];
  if (schema instanceof z.ZodArray) return keysOf(schema.element);
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional)
    return keysOf(schema.unwrap());
  return [];
}

/** What stands under a key; of a list, in its first item. */
function at(value: unknown, key: string): unknown {
  return key.split('.').reduce<unknown>((found, name) => {
    const item: unknown = Array.isArray(found) ? found[0] : found;
    return (item as Record<string, unknown> | undefined)?.[name];
  }, value);
}

/** A value in the words of the table. */
function shown(value: unknown, like: string): string {
  if (value === undefined) return 'none';
  if (Array.isArray(value)) return `[${value.join(', ')}]`;
  if (typeof value === 'object') return 'as below';
  const [, unit = ''] = /^\d+(\w+)$/.exec(like) ?? [];
  const units: Readonly<Record<string, number>> = { MiB: 1024 ** 2, GiB: 1024 ** 3, s: 1000 };
  return typeof value === 'number' && unit in units ? `${value / (units[unit] ?? 1)}${unit}` : String(value);
}
