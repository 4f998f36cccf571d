/** A binary heap by time in an array: the earliest comes first. */
type Timed = { readonly at: number };

export function insert<Item extends Timed>(heap: Item[], item: Item): void {
  let at = heap.length;
  heap.push(item);
  while (at > 0) {
    const up = (at - 1) >> 1;
    const parent = heap[up];
    if (parent === undefined || parent.at <= item.at) break;
    heap[at] = parent;
    at = up;
  }
  heap[at] = item;
}

/** Removes the earliest. */
export function removeFirst(heap: Timed[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (let down = 1; down < heap.length; down = 2 * at + 1) {
    let child = heap[down];
    const right = heap[down + 1];
    if (child !== undefined && right !== undefined && right.at < child.at) {
      child = right;
      down += 1;
    }
    if (child === undefined || child.at >= last.at) break;
    heap[at] = child;
    at = down;
  }
  heap[at] = last;
}
