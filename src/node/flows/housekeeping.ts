import { errorMessage } from '../../kernel/base/errors.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import type { NodeParts } from '../parts.ts'

type Parts = Pick<NodeParts, 'cache' | 'directory' | 'blobs' | 'repository' | 'apiKeys' | 'nonces' | 'logger'>

/** Milliseconds between two sweeps of what has expired. */
const SWEEP_MS = 60_000
/** Packages that are looked at before others get their turn. */
const PACKAGES_PER_TURN = 200

/** What a node does beside its work: reads in what it knew before, drops what has expired, and removes packages that no cell names. */
export class Housekeeping implements Part {
  readonly name = 'housekeeping'
  readonly #parts: Parts
  #timer: NodeJS.Timeout | undefined
  #work: Promise<void> = Promise.resolve()
  #stopping = false

  constructor(parts: Parts) {
    this.#parts = parts
  }

  start(): void {
    this.#run('reading in the directory', () => this.#parts.directory.load())
    this.#run('reading in the cache', () => this.#parts.cache.load())
    this.#run('removing orphaned packages', () => this.#removeOrphans())
    this.#timer = setInterval(() => {
      this.#run('sweeping the directory', () => this.#parts.directory.sweep())
      this.#run('forgetting nonces', () => this.#parts.nonces.sweep())
      this.#run('tidying up keys', () => this.#parts.apiKeys.tidy())
    }, SWEEP_MS)
  }

  async stop(): Promise<void> {
    this.#stopping = true
    clearInterval(this.#timer)
    await this.#work
    await this.#parts.apiKeys.tidy()
  }

  #run(task: string, work: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#stopping) return
      try {
        await work()
      } catch (error) {
        this.#parts.logger.error({ task, reason: errorMessage(error) }, 'housekeeping failed')
      }
    })
  }

  async #removeOrphans(): Promise<void> {
    const { blobs, repository } = this.#parts
    let seen = 0
    for await (const digest of blobs.digests()) {
      if (this.#stopping) return
      blobs.removeUnless(digest, repository.isPackageNamed)
      if (++seen % PACKAGES_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
