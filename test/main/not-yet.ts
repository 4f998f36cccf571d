/**
 * Command lines that the documents show and the program does not know yet, each with the feature that brings it. A
 * line goes out of here with the change that brings its feature: documents.test.ts sees to that.
 */
export const notYet: ReadonlyMap<string, string> = new Map();
