import { execFileSync } from 'node:child_process';

/** One number as Monitoring::Plugin reads it; ranges as it writes them, empty where there is none. */
export type Read = {
  readonly label: string;
  readonly value: number;
  readonly unit: string;
  readonly warning: string;
  readonly critical: string;
};

const program = `
use strict; use warnings; use JSON::PP; use Monitoring::Plugin::Performance;
local $/; my $lines = decode_json(<STDIN>);
print JSON::PP->new->canonical->encode([map { [map { my $threshold = $_->threshold; {
  label => $_->label, value => 0 + $_->value, unit => $_->uom // '',
  warning => ($threshold->warning->is_set ? '' . $threshold->warning : ''),
  critical => ($threshold->critical->is_set ? '' . $threshold->critical : '') } }
  Monitoring::Plugin::Performance->parse_perfstring($_)] } @$lines]);`;

/**
 * The performance data of plugin lines, as Monitoring::Plugin of the Monitoring Plugins project reads them: all behind
 * the first bar of each.
 */
export function readPerfdata(lines: readonly string[]): Read[][] {
  const behind = lines.map((line) => line.slice(line.indexOf('|') + 1));
  const out = execFileSync('perl', ['-e', program], { input: JSON.stringify(behind), encoding: 'utf8' });
  return JSON.parse(out) as Read[][];
}
