import { readRecord } from '../../domain/goals/contribution-record.ts'
import type { GoalEntry } from '../../domain/goals/goal-book.ts'
import type { GoalContributions } from '../../domain/goals/goal-contributions.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import type { NodeParts } from '../parts.ts'
import type { ContributionJudge } from './judge-contribution.ts'

/** Contributions of one goal that are evaluated at once, and their characters: enough to keep the processes of a pool busy while the disk is. */
const AT_ONCE = 256
const CHARACTERS_AT_ONCE = 4 * 1024 * 1024
/** Milliseconds until one that could not be judged is tried again, doubled each time up to the most. */
const RETRY_MS = 1000
const MOST_RETRY_MS = 5 * 60_000

/** Gives the contributions that came from peers this node's own verdict. What it cannot judge now it tries again, as long as it is kept. */
export class PendingEvaluations {
  readonly #parts: Pick<NodeParts, 'logger'>
  readonly #judge: Pick<ContributionJudge, 'judge'>
  readonly #goal: GoalEntry
  readonly #contributions: GoalContributions
  readonly #onJudged: () => void
  /** Id → how often it was tried in vain, and when it may be tried again. */
  readonly #later = new Map<string, { readonly tries: number; readonly at: number }>()
  readonly #stop = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #isStarted = false
  /** Of the records that are being evaluated. */
  #characters = 0

  /** `onJudged` hears of each verdict. */
  constructor(
    parts: Pick<NodeParts, 'logger'>,
    judge: Pick<ContributionJudge, 'judge'>,
    { goal, contributions }: { readonly goal: GoalEntry; readonly contributions: GoalContributions },
    onJudged: () => void,
  ) {
    this.#parts = parts
    this.#judge = judge
    this.#goal = goal
    this.#contributions = contributions
    this.#onJudged = onJudged
  }

  start(): void {
    this.#isStarted = true
    this.wake()
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the node does not work for the goal any more'))
    clearTimeout(this.#timer)
    await this.#running
  }

  /** Something may wait. */
  wake(): void {
    if (!this.#isStarted || this.#stop.signal.aborted || this.#running !== undefined) return
    clearTimeout(this.#timer)
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      this.#sleep()
    })
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    for (let ids = this.#next(); ids.length > 0 && !this.#stop.signal.aborted; ids = this.#next()) {
      const begun: Promise<void>[] = []
      for (const id of ids) {
        // What is begun has read its text already.
        if (this.#characters > CHARACTERS_AT_ONCE) break
        begun.push(this.#evaluate(id))
      }
      await Promise.all(begun)
    }
  }

  #next(): string[] {
    const now = performance.now()
    const ids: string[] = []
    for (const id of this.#contributions.pending()) {
      if ((this.#later.get(id)?.at ?? 0) > now) continue
      ids.push(id)
      if (ids.length === AT_ONCE) break
    }
    return ids
  }

  #sleep(): void {
    if (this.#stop.signal.aborted) return
    // What came while the last one ended.
    if (this.#next().length > 0) {
      this.wake()
      return
    }
    let first = Number.POSITIVE_INFINITY
    for (const [id, { at }] of this.#later) {
      if (this.#contributions.get(id) === undefined) this.#later.delete(id)
      else first = Math.min(first, at)
    }
    if (first === Number.POSITIVE_INFINITY) return
    this.#timer = setTimeout(() => this.wake(), Math.max(0, first - performance.now()))
  }

  async #evaluate(id: string): Promise<void> {
    const { logger } = this.#parts
    let characters = 0
    try {
      const text = this.#contributions.text(id)
      characters = text?.length ?? 0
      this.#characters += characters
      const record = text === undefined ? undefined : readRecord(text)
      // It was evicted meanwhile, or is damaged on disk.
      if (record === undefined) return this.#tryLater(id, 'it cannot be read')
      const judgement = await this.#judge.judge(this.#goal, record, this.#stop.signal)
      if (judgement.kind === 'undetermined') return this.#tryLater(id, judgement.reason)
      const verdict =
        judgement.kind === 'accepted' ? { accepted: true as const, ...judgement } : { accepted: false as const }
      await this.#contributions.settle(id, verdict)
      this.#later.delete(id)
      this.#onJudged()
    } catch (error) {
      if (this.#stop.signal.aborted) return
      logger.warn({ contribution: id, err: error }, 'a contribution could not be judged')
      this.#tryLater(id, errorMessage(error))
    } finally {
      this.#characters -= characters
    }
  }

  #tryLater(id: string, reason: string): void {
    const tries = (this.#later.get(id)?.tries ?? 0) + 1
    const wait = Math.min(RETRY_MS * 2 ** (tries - 1), MOST_RETRY_MS)
    this.#later.set(id, { tries, at: performance.now() + wait })
    this.#parts.logger.debug({ contribution: id, reason }, 'a contribution is judged later')
  }
}
