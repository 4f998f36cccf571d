import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDuration } from '../../src/config/duration.ts';
import { parseSize } from '../../src/config/size.ts';

test('durations become milliseconds', () => {
  const table: readonly (readonly [string, number | undefined])[] = [
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1.5h', 5_400_000],
    ['2h', 7_200_000],
    ['1 d', 86_400_000],
    ['30', undefined],
    ['0s', undefined],
    ['-5s', undefined],
    ['5 weeks', undefined],
    ['99d', undefined],
    ['', undefined],
    ['1h30m', undefined],
  ];
  for (const [text, ms] of table) assert.equal(parseDuration(text), ms, text);
});

test('sizes become bytes', () => {
  const table: readonly (readonly [string | number, number | undefined])[] = [
    ['64MiB', 67_108_864],
    ['10 MB', 10_000_000],
    ['1GiB', 1_073_741_824],
    ['2k', 2048],
    ['1.5KiB', 1536],
    [4096, 4096],
    ['4096', 4096],
    ['7B', 7],
    [1.5, undefined],
    [-1, undefined],
    ['64XB', undefined],
    ['MiB', undefined],
    ['', undefined],
    ['999999999999999TiB', undefined],
    [Number.NaN, undefined],
  ];
  for (const [raw, bytes] of table) assert.equal(parseSize(raw), bytes, String(raw));
});
