import { parsePattern } from '../../config/match.ts';
import type { Rule } from '../../config/watchlist.ts';
import { isBelow } from '../../core/path.ts';
import { count } from '../render.ts';
import { type Check, error, listed, ok, warning } from './check.ts';
import type { Survey } from './tree.ts';

const name = 'watchlists';

/** Watchlists that bring in nothing, and includes of two watchlists that cover the same. */
export function judgeWatchlists(rules: readonly Rule[], survey: Survey): Check[] {
  const lists = [...survey.perList];
  if (survey.paths === 0) {
    const found = `the watchlists ${listed(lists.map(([one]) => one))} include nothing that is on this node`;
    return [error(name, found, 'bm-confsync watchlist list   # are `root:` and the patterns what you mean?')];
  }
  const including = new Set(
    rules.filter(({ effect }) => effect === 'include').map(({ watchlist }) => watchlist),
  );
  const overlaps = overlapping(rules);
  const covered = new Set(overlaps.map(({ inner }) => inner.watchlist));
  const empty = lists.filter(([one, paths]) => paths === 0 && including.has(one) && !covered.has(one));
  const problems = [
    ...empty.map(([one]) =>
      warning(
        name,
        `the watchlist ${one} includes nothing that is on this node`,
        'bm-confsync watchlist list',
      ),
    ),
    ...overlaps.map(({ outer, inner }) => {
      const found = `${inner.pattern} (${place(inner)}) is covered by ${outer.pattern} (${place(outer)}) already`;
      return warning(name, found, `take the line out of ${inner.file} on both nodes`);
    }),
  ];
  if (problems.length > 0) return problems;
  const about = lists.filter(([one]) => including.has(one)).map(([one, paths]) => `${one} ${paths}`);
  return [
    ok(
      name,
      `${count(survey.paths, 'path')} in ${count(survey.directories, 'directory', 'directories')} (${about.join(', ')})`,
    ),
  ];
}

function place({ file, line }: Rule): string {
  return `${file}:${line}`;
}

/** Pairs of includes, of two watchlists, of which one covers all of the other. */
export function overlapping(rules: readonly Rule[]): { outer: Rule; inner: Rule }[] {
  const includes = rules.flatMap((rule) => {
    const parsed = rule.effect === 'include' ? parsePattern(rule.pattern) : undefined;
    return parsed?.ok === true ? [{ rule, pattern: parsed.pattern }] : [];
  });
  return includes.flatMap((inner, at) => {
    const outer = includes.find((one, index) => {
      if (one.rule.watchlist === inner.rule.watchlist) return false;
      // Of two that are the same, the later one is the one too many.
      if (one.pattern.text === inner.pattern.text) return index < at;
      if (one.pattern.shape.kind !== 'subtree') return false;
      const { base } = inner.pattern;
      return (
        isBelow(base, one.pattern.base) ||
        (base === one.pattern.base && inner.pattern.shape.kind !== 'literal')
      );
    });
    return outer === undefined ? [] : [{ outer: outer.rule, inner: inner.rule }];
  });
}
