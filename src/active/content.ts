/**
 * How the content of a pushed file travels. `chunks` ends with an error when the file changed meanwhile; each of its buffers is
 * good until the next one is asked for.
 */
export type Content =
  | { readonly kind: 'none' }
  | { readonly kind: 'local' }
  /** Good until the end of this turn of the event loop. */
  | { readonly kind: 'inline'; readonly bytes: Buffer }
  | { readonly kind: 'stream'; readonly chunks: () => Iterable<Buffer> }
  | { readonly kind: 'delta'; readonly chunks: () => Iterable<Piece> };

/** A piece of a file's content: bytes, or where the peer's own file has them. */
export type Piece = Buffer | { readonly from: number; readonly bytes: number };

/** Thrown by a stream of chunks when the file is not any more what the push announced. */
export class ContentChanged extends Error {
  override readonly name = 'ContentChanged';
}
