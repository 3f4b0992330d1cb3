import type { SelectionPolicy } from '../../src/domain/cells/resolver.ts'

/** What a node says of yanks that knows of those of the cells named. */
export const yanksOf = (...ids: readonly string[]) =>
  ({
    isWithdrawn: ({ id }) => ids.includes(id),
    reasonOf: ({ id }) => (ids.includes(id) ? 'was yanked: broken' : undefined),
  }) satisfies SelectionPolicy['yanks']

/** What a node says that knows of none. */
export const NO_YANKS = { ...yanksOf(), announced: () => ({}) }
