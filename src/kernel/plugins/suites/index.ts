/** Contract suites of the packages (`cytoplex/plugins/suites`): what every provider must do, for its author's own test runner. */
export * from './anchors.ts'
export * from './blob-stores.ts'
export * from './evaluators.ts'
export * from './llms.ts'
export * from './proof-verifiers.ts'
export * from './rankers.ts'
export type { TestRunner } from './test-runner.ts'
export * from './validators.ts'
