/** Asks once in a turn of the event loop, and answers the same to all who ask in it. */
export function onceATurn<Answer>(ask: () => Answer): () => Answer {
  let told: { readonly answer: Answer } | undefined;
  return () => {
    if (told !== undefined) return told.answer;
    setImmediate(() => {
      told = undefined;
    });
    told = { answer: ask() };
    return told.answer;
  };
}
