import type { SessionExport } from '../../protocol/memory.ts'
import { ExportStore } from '../domain/memory/export-store.ts'
import type { MemoryBooks } from '../domain/memory/memory-books.ts'
import type { Recall, Summarize } from '../domain/memory/recall.ts'
import { SignedLinks } from '../domain/memory/signed-links.ts'
import { UsageCounts } from '../domain/memory/usage-counts.ts'
import type { Clock } from '../kernel/base/clock.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import type { Part } from '../kernel/base/lifecycle.ts'
import type { Config } from '../kernel/config/schema.ts'
import type { Store } from '../kernel/storage/store.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import { SessionExports } from './flows/export-sessions.ts'
import { importSession } from './flows/import-session.ts'
import { Retention } from './flows/keep-retention.ts'
import { analyticsOf } from './flows/session-analytics.ts'
import { sumUpSession } from './flows/sum-up-sessions.ts'
import type { MemoryChores } from './memory.ts'
import type { ExportFile, SessionAccess } from './memory-api.ts'

/** Milliseconds between two writes of what was counted, and looks for exports that have expired. */
const SWEEP_MS = 60_000
/** Milliseconds between two looks for what sessions need not keep any more: days are what they keep it by. */
const RETENTION_MS = 600_000

export interface SessionChoresParts {
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  readonly config: Pick<Config, 'memory'>
  readonly books: MemoryBooks
  readonly recall: Pick<Recall, 'removed' | 'forget'>
  readonly summarize: Summarize
  /** What links to exports are signed with. */
  readonly linkKey: Uint8Array
}

/** What is done with sessions beside keeping them: they are summed up, counted, exported and imported, and what is old is deleted. */
export class SessionChores implements Part, MemoryChores {
  readonly name = 'session chores'
  readonly #parts: SessionChoresParts
  readonly #exports: SessionExports
  readonly #retention: Retention
  readonly #counts: UsageCounts
  readonly #stopping = new AbortController()
  readonly #timers: NodeJS.Timeout[] = []
  #work: Promise<void> = Promise.resolve()

  constructor(parts: SessionChoresParts) {
    this.#parts = parts
    const { store, config, books, linkKey } = parts
    const exports = new ExportStore({ store, maxBytes: config.memory.export_bytes })
    this.#exports = new SessionExports({ ...parts, exports, links: new SignedLinks(linkKey) })
    this.#retention = new Retention({
      ...parts,
      exports: this.#exports,
      tokenMs: config.memory.token_minutes * 60_000,
    })
    this.#counts = new UsageCounts(books.sessions)
  }

  async start(): Promise<void> {
    await this.#exports.start()
    this.#run('deleting what sessions keep no longer', () => this.#deleteOld())
    this.#timers.push(
      setInterval(() => {
        this.#run('counting', () => this.#counts.flush())
        this.#run('deleting expired exports', () => this.#exports.sweep())
      }, SWEEP_MS),
      setInterval(() => this.#run('deleting what sessions keep no longer', () => this.#deleteOld()), RETENTION_MS),
    )
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    this.#stopping.abort(new Error('the node is stopping'))
    await Promise.all([this.#work, this.#exports.stop()])
    await this.#counts.flush()
  }

  /** Deletes what sessions keep no longer, in as many passes as it takes, when what is being done is done. */
  deleteOld(): Promise<void> {
    const done = this.#work.then(() => this.#deleteOld())
    this.#work = done.catch(() => undefined)
    return done
  }

  async #deleteOld(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted && (await this.#retention.pass(signal))) {
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  async completed(sessionId: string, signal: AbortSignal): Promise<void> {
    const { logger } = this.#parts
    try {
      await sumUpSession(this.#parts, sessionId, signal)
    } catch (error) {
      // The conversation is complete; the session is summed up with the next one.
      logger.warn({ session: sessionId, reason: errorMessage(error) }, 'a session could not be summed up')
    }
  }

  searched(sessionId: string, isFound: boolean): void {
    this.#counts.count(sessionId, { lookups: 1, hits: isFound ? 1 : 0 })
  }

  countCompletion({ sessionId }: SessionAccess, usedContext: boolean): void {
    this.#counts.count(sessionId, { completions: 1, completions_with_context: usedContext ? 1 : 0 })
  }

  async analytics({ sessionId }: SessionAccess): ReturnType<MemoryChores['analytics']> {
    await this.#counts.flushOf(sessionId)
    return analyticsOf(this.#parts.books, sessionId)
  }

  export(access: SessionAccess, order: SessionExport): ReturnType<MemoryChores['export']> {
    return this.#exports.order(access, order)
  }

  async exportStatus(access: SessionAccess, exportId: string): ReturnType<MemoryChores['exportStatus']> {
    return this.#exports.status(access, exportId)
  }

  async download(exportId: string, query: Readonly<Record<string, string>>): Promise<ExportFile> {
    return this.#exports.download(exportId, query)
  }

  async import(file: unknown): ReturnType<MemoryChores['import']> {
    const { books, clock } = this.#parts
    const { id, record, conversations, turns } = await importSession(books, clock, file)
    const permissions: ['read', 'write', 'memory'] = ['read', 'write', 'memory']
    const { token, expiresAt } = await books.tokens.issue(id, permissions)
    return {
      session_id: id,
      created_at: new Date(record.created_at).toISOString(),
      token,
      expires_at: new Date(expiresAt).toISOString(),
      permissions,
      status: record.status === 'archived' ? 'archived' : 'active',
      conversations,
      turns,
    }
  }

  forget(sessionId: string): Promise<void> {
    return this.#exports.forget(sessionId)
  }

  #run(task: string, work: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#stopping.signal.aborted) return
      try {
        await work()
      } catch (error) {
        if (this.#stopping.signal.aborted) return
        this.#parts.logger.error({ task, reason: errorMessage(error) }, 'a chore of memory failed')
      }
    })
  }
}
