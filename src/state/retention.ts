/** `count`: versions of one path. `totalBytes`: of all kept contents together, each counted once. */
export type Retention = { readonly count: number; readonly maxAgeMs: number; readonly totalBytes: number };

/** A version as retention sees it. */
export type Kept = { id: string; path: string; object: string | null; size: number; at: number };

/** What to drop out of rows that come newest first. */
export function surplus(rows: readonly Kept[], retention: Retention, now: number): Kept[] {
  const drop: Kept[] = [];
  const kept: { readonly row: Kept; readonly newest: boolean }[] = [];
  const countOf = new Map<string, number>();
  for (const row of rows) {
    const count = countOf.get(row.path) ?? 0;
    countOf.set(row.path, count + 1);
    if (now - row.at > retention.maxAgeMs || (count > 0 && count >= retention.count)) drop.push(row);
    else kept.push({ row, newest: count === 0 });
  }

  // From here on only the total matters: a content goes with the last version that refers to it.
  const uses = new Map<string, number>();
  let total = 0;
  for (const { row } of kept) {
    if (row.object === null) continue;
    const before = uses.get(row.object) ?? 0;
    if (before === 0) total += row.size;
    uses.set(row.object, before + 1);
  }
  for (const { row, newest } of kept.reverse()) {
    if (total <= retention.totalBytes) break;
    if (newest || row.object === null) continue;
    drop.push(row);
    const left = (uses.get(row.object) ?? 1) - 1;
    uses.set(row.object, left);
    if (left === 0) total -= row.size;
  }
  return drop;
}
