import { memoryError } from '../domain/memory/errors.ts'
import type { NodeMemoryParts } from './memory.ts'

const absent = (): never => {
  throw memoryError('MEMORY_SERVICE_ERROR', 'this node cannot do that yet')
}

/** What stands for the parts of memory that a node lacks: nothing is found again, and nothing summarised. */
export const standIns: Pick<NodeMemoryParts, 'recall' | 'summarize' | 'chores'> = {
  recall: {
    search: async () => ({ matches: [], total: 0 }),
    added: () => undefined,
    removed: () => undefined,
    forget: () => undefined,
  },
  summarize: async (texts) => ({ summary: texts[0]?.text ?? '', topics: [] }),
  chores: {
    analytics: async () => absent(),
    export: async () => absent(),
    exportStatus: async () => absent(),
    download: async () => absent(),
    import: async () => absent(),
    forget: async () => undefined,
  },
}
