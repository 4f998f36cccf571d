/** Bytes of JSON that one frame of rows aims at; a single row may be larger. */
const chunkBytes = 256 * 1024;

/** Splits rows so that each part makes a frame of moderate size. Gives one empty part for no rows. */
export function* inChunks<Row>(rows: Iterable<Row>): Generator<{ rows: Row[]; last: boolean }> {
  let part: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    const size = JSON.stringify(row).length;
    if (part.length > 0 && bytes + size > chunkBytes) {
      yield { rows: part, last: false };
      part = [];
      bytes = 0;
    }
    part.push(row);
    bytes += size;
  }
  yield { rows: part, last: true };
}
