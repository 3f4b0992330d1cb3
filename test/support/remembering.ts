import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { pino } from 'pino'
import type { ConversationStarted, ExportStatus, SessionExport } from '../../protocol/memory.ts'
import { type MemoryBooks, memoryBooks } from '../../src/domain/memory/memory-books.ts'
import type { Recall } from '../../src/domain/memory/recall.ts'
import { summarizeByExtraction } from '../../src/domain/memory/summarize.ts'
import { openKeyDirectory } from '../../src/kernel/identity/key-directory.ts'
import { openSecretSeal } from '../../src/kernel/identity/sealed-secret.ts'
import { Store } from '../../src/kernel/storage/store.ts'
import { NodeMemory } from '../../src/node/memory.ts'
import type { SessionAccess } from '../../src/node/memory-api.ts'
import { SessionChores } from '../../src/node/session-chores.ts'
import { TestClock } from './cells.ts'
import { temporaryFolder } from './folders.ts'

/** The memory of a node, without the node. */
export interface Remembering {
  readonly memory: NodeMemory
  readonly chores: SessionChores
  readonly books: MemoryBooks
  readonly store: Store
  readonly clock: TestClock
  /** What the index was told to drop. */
  readonly removed: string[]
  close(): Promise<void>
}

export interface RememberingOptions {
  readonly directory?: string
  readonly clock?: TestClock
  readonly limits?: { readonly sessionBytes?: number; readonly exportBytes?: number }
  readonly tokenMinutes?: number
}

export async function remembering(t: TestContext, options: RememberingOptions = {}): Promise<Remembering> {
  const { directory = await temporaryFolder(t), clock = new TestClock(), limits = {}, tokenMinutes = 120 } = options
  const store = await Store.open(join(directory, 'store'), { createIfMissing: true })
  const keyDirectory = join(directory, 'keys')
  const keys = openKeyDirectory(keyDirectory, { network: 'test', allowCreate: true, clock })
  const seal = openSecretSeal(keyDirectory)
  const { sessionBytes = 100_000_000, exportBytes = 1_000_000_000 } = limits
  const books = memoryBooks({
    store,
    clock,
    seal,
    limits: { sessionBytes, maxBytes: 1_000_000_000, maxSessions: 100 },
    self: keys.providerId,
    token: keys.token,
    tokenMinutes,
  })
  await books.sessions.load()
  const removed: string[] = []
  const recall: Recall = {
    search: async () => ({ matches: [], total: 0 }),
    added: () => undefined,
    removed: (_, gone) => void removed.push(...gone),
    forget: (id) => void removed.push(id),
  }
  const parts = { store, clock, logger: pino({ level: 'silent' }), books, recall, summarize: summarizeByExtraction }
  const memoryConfig = { token_minutes: tokenMinutes, export_bytes: exportBytes } as never
  const chores = new SessionChores({ ...parts, config: { memory: memoryConfig }, linkKey: seal.derive('links') })
  await chores.start()
  const memory = new NodeMemory({ ...parts, chores })
  let isClosed = false
  const close = async (): Promise<void> => {
    if (isClosed) return
    isClosed = true
    await chores.stop()
    await store.close()
  }
  t.after(close)
  return { memory, chores, books, store, clock, removed, close }
}

/** A session, and the access of its token. */
export async function newSession(
  { memory }: Pick<Remembering, 'memory'>,
  creation: Parameters<NodeMemory['createSession']>[0] = {},
): Promise<SessionAccess> {
  const { token } = await memory.createSession(creation)
  return memory.authorize(token)
}

const signal = new AbortController().signal

/** A conversation of turns, the first of which is its directive. */
export async function converse(
  { memory }: Pick<Remembering, 'memory'>,
  access: SessionAccess,
  [directive, ...others]: readonly [string, ...string[]],
): Promise<ConversationStarted> {
  const started = await memory.startConversation(access, { session_id: access.sessionId, directive }, signal)
  for (const [at, content] of others.entries()) {
    await memory.addTurns(access, started.conversation_id, [
      { agent: at % 2 === 0 ? 'beatrice' : 'user', content, metadata: { at } },
    ])
  }
  return started
}

/** An export, once it is no longer being written. */
export async function exported(
  { memory }: Pick<Remembering, 'memory'>,
  access: SessionAccess,
  order: SessionExport = {},
): Promise<ExportStatus> {
  let status = await memory.export(access, order)
  while (status.status === 'processing') {
    await new Promise((resolve) => setImmediate(resolve))
    status = await memory.exportStatus(access, status.export_id)
  }
  return status
}

/** What a link of an export gives. */
export async function downloaded({ memory }: Pick<Remembering, 'memory'>, url: string): Promise<string> {
  const { pathname, searchParams } = new URL(url, 'http://localhost')
  const file = await memory.download(pathname.split('/')[4]!, Object.fromEntries(searchParams))
  const parts: Uint8Array[] = []
  for await (const part of file.bytes()) parts.push(part)
  return Buffer.concat(parts).toString()
}
