/** `test` of `node:test`, and of other runners that take a name and a function. */
export type TestRunner = (name: string, run: () => Promise<void>) => unknown
