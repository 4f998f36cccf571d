import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationText, insertReport, type Report, renderReport } from '../../benchmarks/report.ts';
import { quantile, summarize } from '../../benchmarks/statistics.ts';

test('few samples have a maximum, a hundred have a 99th percentile', () => {
  assert.deepEqual(summarize([5, 1, 3, 2, 4]), {
    samples: 5,
    median: 3,
    high: { kind: 'max', value: 5 },
    quartiles: [2, 4],
  });
  const hundred = Array.from({ length: 101 }, (_, index) => index);
  assert.deepEqual(summarize(hundred).high, { kind: 'p99', value: 99 });
  assert.equal(quantile([1, 2], 0.5), 1.5);
  assert.throws(() => summarize([]), /no samples/);
});

test('durations show three digits that count', () => {
  const shown = [0.4567, 12.345, 456.7, 1234, 15_321].map(durationText);
  assert.deepEqual(shown, ['0.46 ms', '12.3 ms', '457 ms', '1.23 s', '15.3 s']);
});

const report: Report = {
  made: '2030-01-02T03:04:05.000Z',
  machine: { cpu: 'Some CPU', cores: 4, memoryGiB: 8, kernel: 'Linux 6', fileSystem: 'ext4' },
  versions: { 'bm-confsync': '1', node: 'v26', openssh: '9', rsync: '3', lsyncd: '2' },
  size: { files: 10, bytes: 100, directories: 2, changed: 2, seed: 1 },
  rows: [
    {
      name: 'copy',
      title: 'First copy',
      results: [
        {
          peer: 'a',
          about: 'is good',
          kind: 'measured',
          samplesMs: [1, 2, 3],
          summary: summarize([1, 2, 3]),
        },
        { peer: 'b', about: 'is bad', kind: 'failed', reason: '2 differences\nfirst: x | y' },
      ],
    },
  ],
};

test('the report shows the times, and a failure instead of them', () => {
  const lines = renderReport(report).split('\n');
  assert.match(lines[0] ?? '', /^Measured 2030-01-02 on Some CPU, 4 cores, .*ext4.*rsync 3/);
  assert.ok(lines.includes('| a | 2.00 ms | max 3.00 ms | 1.50 ms – 2.50 ms | 3 |'));
  assert.ok(lines.includes('| b | failed: 2 differences first: x \\| y | | | |'));
  assert.ok(lines.includes('- **b**: is bad.'));
});

test('it is put between its markers and nowhere else', () => {
  const before = '# A\n<!-- bench:start -->\nold\n<!-- bench:end -->\nrest\n';
  const after = insertReport(before, 'new\n');
  assert.equal(after, '# A\n<!-- bench:start -->\nnew\n<!-- bench:end -->\nrest\n');
  assert.equal(insertReport(after ?? '', 'new\n'), after);
  assert.equal(insertReport('# A\n', 'new'), undefined);
  assert.equal(insertReport('<!-- bench:end --><!-- bench:start -->', 'new'), undefined);
});
