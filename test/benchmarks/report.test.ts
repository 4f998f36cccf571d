import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeAll } from '../../benchmarks/bar.ts';
import { renderPlot } from '../../benchmarks/plot.ts';
import { insertReport, type Report, renderReport, renderSummary, takeOver } from '../../benchmarks/report.ts';
import type { Result } from '../../benchmarks/row.ts';
import { durationText, quantile, summarize } from '../../benchmarks/statistics.ts';

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

function measured(peer: string, samplesMs: readonly number[]): Result {
  return { peer, about: `is ${peer}`, kind: 'measured', samplesMs, summary: summarize(samplesMs) };
}

test('a bar is met at its ratio, missed above it, and not judged without a time', () => {
  const results = [measured('bm-confsync', [2, 2, 8]), measured('bare', [1, 1, 1])];
  const judged = (bar: object): string[] =>
    judgeAll([{ times: 1, against: 'bare', ...bar }], results).map(({ verdict }) => verdict);
  assert.deepEqual(judged({ times: 2 }), ['met']);
  assert.deepEqual(judged({ times: 1.9 }), ['missed']);
  assert.deepEqual(judged({ times: 1.9, plusMs: 0.2 }), ['met']);
  assert.deepEqual(judged({ value: 'high', times: 4 }), ['missed']);
  assert.deepEqual(judged({ against: 'nobody' }), ['not judged']);
  assert.deepEqual(judged({ of: 'bare' }), ['met']);
  const [verdict] = judgeAll([{ times: 1 / 30, against: 'bare' }], results);
  assert.match(`${verdict?.text}; ${verdict?.found}`, /at most 1\/30 of bare; 2 × \(2.00 ms to 1.00 ms\)/);
});

const report: Report = {
  tookSeconds: 120,
  made: '2030-01-02T03:04:05.000Z',
  machine: { cpu: 'Some CPU', cores: 4, memoryGiB: 8, kernel: 'Linux 6', fileSystem: 'ext4' },
  versions: {
    'bm-confsync': '1',
    node: 'v26',
    openssh: '9',
    rsync: '3',
    lsyncd: '2',
    csync2: '2',
    unison: '2',
  },
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
        measured('bm-confsync', [1, 10]),
        { peer: 'b', about: 'is bad', kind: 'failed', reason: '2 differences\nfirst: x | y' },
      ],
      verdicts: [{ text: 'at most 2 × a', found: '3 ×', verdict: 'missed' }],
    },
  ],
  surveys: [
    {
      name: 'idle',
      title: 'Idle',
      kind: 'taken',
      figures: [
        { name: 'memory', value: 99.123, unit: 'MiB', atMost: 100 },
        { name: 'wake-ups', value: 3, unit: 'a second' },
      ],
    },
    { name: 'churn', title: 'Churn', kind: 'failed', reason: 'one file was lost' },
  ],
};

test('the report shows the times, and a failure instead of them', () => {
  const lines = renderReport(report).split('\n');
  assert.match(lines[0] ?? '', /^Measured 2030-01-02 in 2 minutes on Some CPU, 4 cores, .*ext4.*rsync 3/);
  assert.ok(lines.includes('| a | 2.00 ms | max 3.00 ms | 1.50 ms – 2.50 ms | 3 |'));
  assert.ok(lines.includes('| b | failed: 2 differences first: x \\| y | | | |'));
  assert.ok(lines.includes('- **b**: is bad.'));
  assert.ok(lines.includes('- **missed**: at most 2 × a; found 3 ×'));
  assert.ok(lines.includes('| memory | 99.1 MiB | at most 100 | met |'));
  assert.ok(lines.includes('failed: one file was lost'));
});

test('the summary has a line a row and a line a bar', () => {
  const lines = renderSummary(report, { plot: 'p.svg', all: 'a.md' }).split('\n');
  assert.ok(lines.includes('| First copy | 5.50 ms |  |  |  |  |  |  |'), lines.join('\n'));
  assert.ok(lines.includes('| First copy | at most 2 × a | 3 × | **missed** |'));
  assert.ok(lines.includes('| Idle | memory at most 100 MiB | 99.1 MiB | met |'));
  assert.ok(lines.includes('| Churn | | failed: one file was lost | **not judged** |'));
  assert.match(lines.join('\n'), /!\[.*\]\(p\.svg\)/);
});

test('rows of an earlier run stay where they were, and say when and with what they were measured', () => {
  const [copy] = report.rows;
  if (copy === undefined) throw new Error('no row');
  const fresh = { ...copy, name: 'burst', title: 'Burst' };
  const older: Report = { ...report, rows: [copy, { ...fresh, title: 'Older burst' }] };
  const made = '2031-01-01T00:00:00.000Z';
  const both = takeOver({ ...report, made, rows: [fresh], surveys: [] }, older);
  const lines = renderSummary(both, { plot: 'p.svg', all: 'a.md' }).split('\n');
  const medians = lines.filter((line) => line.endsWith(' |  |  |  |  |  |  |'));
  assert.deepEqual(
    medians.map((line) => line.split(' | ')[0]),
    ['| First copy (2030-01-02, 1)', '| Burst'],
  );
  assert.ok(lines.includes('| Idle (2030-01-02, 1) | memory at most 100 MiB | 99.1 MiB | met |'));
  assert.ok(renderReport(both).includes('**First copy (2030-01-02, 1)** (`copy`)'));
  const again = takeOver({ ...both, made: '2032-01-01T00:00:00.000Z', rows: [], surveys: [] }, both);
  assert.deepEqual(
    again.rows.map(({ earlier }) => earlier),
    ['2030-01-02, 1', '2031-01-01, 1'],
    'who was taken over once keeps his day',
  );
});

test('the plot has a bar for every time, longer where it took longer, and none where nothing was measured', () => {
  const svg = renderPlot(report.rows) ?? '';
  const bars = [...svg.matchAll(/<rect x="\d+" y="[\d.]+" width="([\d.]+)" height="10"/g)];
  const [a = 0, ours = 0, ...more] = bars.map(([, width]) => Number(width));
  assert.deepEqual(more, []);
  assert.ok(ours > a && a > 0, `${ours} > ${a}`);
  assert.equal(renderPlot([]), undefined);
});

test('it is put between its markers and nowhere else', () => {
  const before = '# A\n<!-- bench:start -->\nold\n<!-- bench:end -->\nrest\n';
  const after = insertReport(before, 'new\n');
  assert.equal(after, '# A\n<!-- bench:start -->\nnew\n<!-- bench:end -->\nrest\n');
  assert.equal(insertReport(after ?? '', 'new\n'), after);
  assert.equal(insertReport('# A\n', 'new'), undefined);
  assert.equal(insertReport('<!-- bench:end --><!-- bench:start -->', 'new'), undefined);
});
