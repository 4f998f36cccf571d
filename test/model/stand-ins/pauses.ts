/** Pauses of the program last one turn: whatever it waits for needs no more. */
export function setTimeout(): Promise<void> {
  return setImmediate();
}

export function setImmediate(): Promise<void> {
  return new Promise((resolve) => void globalThis.setImmediate(resolve));
}
