import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { MemoryPermission } from '../../protocol/memory.ts'
import { type MemoryBooks, type MemoryBooksParts, memoryBooks } from '../../src/domain/memory/memory-books.ts'
import type { MemoryText, Recall } from '../../src/domain/memory/recall.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { openKeyDirectory } from '../../src/kernel/identity/key-directory.ts'
import { sealWith } from '../../src/kernel/identity/sealed-secret.ts'
import { Store } from '../../src/kernel/storage/store.ts'
import { NodeMemory, type NodeMemoryParts } from '../../src/node/memory.ts'
import type { SessionAccess } from '../../src/node/memory-api.ts'
import { NETWORK, TestClock, temporaryFolder } from './cells.ts'

export const PERMISSIONS: readonly MemoryPermission[] = ['read', 'write', 'memory']
export const signal = new AbortController().signal

/** Whoever holds a token of a session with all permissions. */
export const accessTo = (sessionId: string): SessionAccess => ({
  sessionId,
  permissions: new Set(PERMISSIONS),
  expiresAt: Number.POSITIVE_INFINITY,
})

/** Finds every text that has a word of the query, and remembers what it was told. */
export class WordRecall implements Recall {
  readonly texts = new Map<string, MemoryText[]>()
  readonly forgotten: string[] = []

  search: Recall['search'] = async (sessionId, { query }) => {
    const words = query.toLowerCase().split(/\W+/)
    const matches = (this.texts.get(sessionId) ?? [])
      .map((text) => ({
        text,
        hits: words.filter((word) => text.text.toLowerCase().split(/\W+/).includes(word)).length,
      }))
      .filter(({ hits }) => hits > 0)
      .sort((a, b) => b.hits - a.hits)
      .map(({ text, hits }) => ({
        conversation_id: text.conversationId,
        turn_id: null,
        agent: text.agent,
        relevance_score: hits / words.length,
        snippet: text.text,
        context: '',
        timestamp: new Date(text.at).toISOString(),
      }))
    return { matches, total: matches.length }
  }
  added(sessionId: string, texts: readonly MemoryText[]): void {
    this.texts.set(sessionId, [...(this.texts.get(sessionId) ?? []), ...texts])
  }
  removed(): void {}
  forget(sessionId: string): void {
    this.forgotten.push(sessionId)
    this.texts.delete(sessionId)
  }
}

/** The memory of a node over a real store. */
export interface TestMemory {
  readonly memory: NodeMemory
  readonly books: MemoryBooks
  readonly recall: WordRecall
  readonly store: Store
  readonly clock: TestClock
  readonly folder: string
}

export async function testMemory(
  t: TestContext,
  {
    limits = {},
    folder,
    wrappingKey = randomBytes(32),
    ...parts
  }: {
    limits?: Partial<MemoryBooksParts['limits']>
    folder?: string
    wrappingKey?: Uint8Array
  } & Partial<Pick<NodeMemoryParts, 'recall' | 'summarize' | 'chores'>> = {},
): Promise<TestMemory> {
  const root = folder ?? (await temporaryFolder(t))
  const clock = new TestClock()
  const store = await Store.open(join(root, 'store'), { createIfMissing: true })
  t.after(() => store.close())
  const keys = openKeyDirectory(join(root, 'keys'), { network: NETWORK, allowCreate: true, clock })
  const books = memoryBooks({
    store,
    clock,
    seal: sealWith(wrappingKey),
    limits: { sessionBytes: 10_000_000, maxBytes: 100_000_000, maxSessions: 100, ...limits },
    self: keys.providerId,
    token: keys.token,
    tokenMinutes: 120,
  })
  await books.sessions.load()
  const recall = new WordRecall()
  const absent = async (): Promise<never> => {
    throw new Error('nobody asks for this here')
  }
  const memory = new NodeMemory({
    clock,
    books,
    recall,
    summarize: async (texts) => ({ summary: `About ${texts[0]?.text}`, topics: ['topic'] }),
    chores: {
      analytics: absent,
      export: absent,
      exportStatus: absent,
      download: absent,
      import: absent,
      forget: async () => undefined,
      completed: async () => undefined,
      searched: () => undefined,
      countCompletion: () => undefined,
    },
    ...parts,
  })
  return { memory, books, recall, store, clock, folder: root }
}

/** For `assert.rejects` and `assert.throws`: a failure with this code of memory. */
export const withCode =
  (code: string) =>
  (error: unknown): boolean => {
    const found = error instanceof ProviderError ? (error.details.memory as { code?: string } | undefined)?.code : error
    if (found !== code) throw new Error(`found ${String(found)}, expected ${code}`, { cause: error })
    return true
  }
