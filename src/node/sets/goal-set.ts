import type { Acceptance } from '../../../protocol/rpc.ts'
import type { GoalBook } from '../../domain/goals/goal-book.ts'
import { readGoal } from '../../domain/goals/goal-record.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import { IdIndex } from '../../network/sync/id-index.ts'
import type { RecordSet } from '../../network/sync/record-set.ts'

/** The goals that are known, joined or not. A record is the RFC 8785 text of a goal, so its id is the goal's digest. */
export class GoalSet implements RecordSet {
  readonly name = 'goals'
  readonly isPermanent = true
  readonly ids = new IdIndex()
  readonly #book: GoalBook
  readonly #network: string

  constructor(book: GoalBook, network: string) {
    this.#book = book
    this.#network = network
  }

  load(): void {
    this.#book.watch(({ digest }) => this.ids.add(Buffer.from(digest, 'hex')))
    for (const { digest } of this.#book.list()) this.ids.add(Buffer.from(digest, 'hex'))
  }

  text(id: string): string | undefined {
    const goal = this.#book.byDigest(id)?.goal
    return goal && canonicalJson(goal)
  }

  async accept(text: string, from: string): Promise<Acceptance> {
    try {
      const goal = readGoal(text, this.#network, nativeVerifier)
      return (await this.#book.hear(goal, from)) === 'kept' ? 'accepted' : 'ignored'
    } catch (error) {
      if (error instanceof ProviderError) return 'rejected'
      throw error
    }
  }
}
