import type { Operator, Tier } from '../../../protocol/operators.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * 60 * 1000
/** Part of a request that rounding may cost or give. */
const ROUNDING = 1e-3

/** What a tier allows. 0 is no limit. */
interface TierLimits {
  readonly per_minute: number
  readonly per_day: number
  readonly batch_size: number
}

/** What is left of the limit that has the fewest left. */
export interface OperatorLimit {
  readonly limit: number
  readonly remaining: number
  /** Epoch seconds at which all of it is there again. */
  readonly resetAt: number
}

/** A request more than the tier of its operator allows (429). */
export class OperatorLimitError extends ProviderError {
  readonly limit: OperatorLimit
  /** Seconds until it would be allowed. */
  readonly retryAfter: number

  constructor(message: string, limit: OperatorLimit, retryAfter: number) {
    super('PROV_013', message)
    this.limit = limit
    this.retryAfter = retryAfter
  }
}

/** A request that was let through. */
interface Admission {
  readonly limit: OperatorLimit | null
  /** Writes down the count of the day, in the transaction that uses the request up. */
  count(tx: Transaction): void
  /** Gives it back: it was no request. */
  undo(): void
}

interface DayCount {
  /** Days since 1970 (UTC). */
  readonly day: number
  readonly count: number
}

const days = jsonKeyspace<DayCount>(KEYSPACES.operatorDays)

/**
 * How many requests operators make. A minute is a bucket that starts full and fills evenly, in memory; a day is one of UTC, and survives restarts:
 * its count is written with the request's own nonce, so that it costs no write of its own.
 */
export class OperatorLimits {
  readonly #store: Store
  readonly #clock: Clock
  readonly #tiers: Readonly<Record<Tier, TierLimits>>
  /** Operator id → Unix milliseconds at which its bucket is full again. One number for each operator. */
  readonly #fullAt = new Map<string, number>()
  readonly #days = new Map<string, DayCount>()

  constructor(store: Store, clock: Clock, tiers: Readonly<Record<Tier, TierLimits>>) {
    this.#store = store
    this.#clock = clock
    this.#tiers = tiers
  }

  async load(): Promise<void> {
    for await (const [id, count] of this.#store.scan(days)) this.#days.set(id, count)
  }

  batchSize(tier: Tier): number {
    return this.#tiers[tier].batch_size
  }

  /** Takes a request, which counts as `questions` of the day. Throws {@link OperatorLimitError}. */
  admit({ operator_id: id, tier }: Operator, questions: number): Admission {
    const { per_minute, per_day } = this.#tiers[tier]
    const now = this.#clock.now()
    const minute = per_minute === 0 ? undefined : this.#minute(id, per_minute, now)
    const day = per_day === 0 ? undefined : this.#day(id, per_day, questions, now)
    for (const one of [minute, day]) if (one !== undefined && one.retryAfter > 0) throw tooMany(one, questions)
    const fewest =
      minute === undefined || day === undefined
        ? (minute ?? day)
        : day.limit.remaining < minute.limit.remaining
          ? day
          : minute
    const undoMinute = minute?.take()
    const undoDay = day?.take()
    return {
      limit: fewest?.limit ?? null,
      count: (tx) => {
        const today = this.#days.get(id)
        if (day !== undefined && today !== undefined) tx.put(days, id, today)
      },
      undo() {
        undoMinute?.()
        undoDay?.()
      },
    }
  }

  #minute(id: string, perMinute: number, now: number): Candidate {
    const cost = MINUTE_MS / perMinute
    const held = this.#fullAt.get(id) ?? 0
    // What is further off than a bucket can be was written before the clock was set back.
    const before = held < now || held > now + 2 * MINUTE_MS ? now : held
    const after = before + cost
    const left = Math.floor((now + MINUTE_MS - after) / cost + ROUNDING)
    return {
      period: 'minute',
      limit: { limit: perMinute, remaining: Math.max(0, left), resetAt: Math.ceil((left < 0 ? before : after) / 1000) },
      retryAfter: left < 0 ? Math.max(1, Math.ceil((after - MINUTE_MS - now) / 1000)) : 0,
      take: () => {
        this.#fullAt.set(id, after)
        return () => void this.#fullAt.set(id, this.#fullAt.get(id)! - cost)
      },
    }
  }

  #day(id: string, perDay: number, questions: number, now: number): Candidate {
    const day = Math.floor(now / DAY_MS)
    const held = this.#days.get(id)
    const before = held?.day === day ? held.count : 0
    const after = before + questions
    const end = (day + 1) * DAY_MS
    const isOver = after > perDay
    return {
      period: 'day',
      limit: {
        limit: perDay,
        remaining: Math.max(0, perDay - (isOver ? before : after)),
        resetAt: Math.ceil(end / 1000),
      },
      retryAfter: isOver ? Math.max(1, Math.ceil((end - now) / 1000)) : 0,
      take: () => {
        this.#days.set(id, { day, count: after })
        return () => {
          const current = this.#days.get(id)!
          if (current.day === day) this.#days.set(id, { day, count: current.count - questions })
        }
      },
    }
  }
}

/** What a request would mean for one limit. */
interface Candidate {
  readonly period: 'minute' | 'day'
  readonly limit: OperatorLimit
  /** 0 where it is allowed. */
  readonly retryAfter: number
  /** Takes it; what is returned gives it back. */
  take(): () => void
}

function tooMany({ period, limit, retryAfter }: Candidate, questions: number): OperatorLimitError {
  const found = questions === 1 ? 'this request is one too many' : `${questions} questions are too many`
  const message = `${found}: allowed are ${limit.limit} a ${period}, ${limit.remaining} are left; see Retry-After`
  return new OperatorLimitError(message, limit, retryAfter)
}
