import type { NodeMemoryParts } from './memory.ts'

/** What stands for the parts of memory that a node lacks: nothing is found again. */
export const standIns: Pick<NodeMemoryParts, 'recall'> = {
  recall: {
    search: async () => ({ matches: [], total: 0 }),
    added: () => undefined,
    removed: () => undefined,
    forget: () => undefined,
  },
}
