/** The cause of a Failure: nothing came back from the peer's address. */
export class NoAnswer extends Error {}
