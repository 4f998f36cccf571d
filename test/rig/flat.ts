/** What comes in slices, one by one. */
export async function* flat<Item>(slices: AsyncIterable<Iterable<Item>>): AsyncGenerator<Item> {
  for await (const slice of slices) yield* slice;
}
