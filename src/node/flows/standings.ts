import { WEBHOOK_LIMITS } from '../../../protocol/webhooks.ts'
import type { Clock } from '../../kernel/base/clock.ts'

/** How one attempt ended: undefined is well, else one of the reasons of protocol/README.md, "Webhooks". */
export type AttemptError = string | undefined

/** How it goes at a receiver of events, since the node started. */
export interface Standing {
  underWay: number
  /** In a row. */
  failures: number
  /** Unix milliseconds until which it is left alone. */
  pausedUntil: number
  lastError: string | null
  /** Unix milliseconds. */
  lastDeliveryAt: number | null
}

/** Milliseconds of the first pause; each is twice the one before. */
const FIRST_PAUSE_MS = 1000

/** How it goes at each receiver: who fails again and again is left alone for a while. */
export class Standings {
  readonly #clock: Clock
  readonly #standings = new Map<string, Standing>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  of(id: string): Standing {
    const standing = this.#standings.get(id) ?? {
      underWay: 0,
      failures: 0,
      pausedUntil: 0,
      lastError: null,
      lastDeliveryAt: null,
    }
    this.#standings.set(id, standing)
    return standing
  }

  /** Whether another event may be sent there now: one at a time while it fails. */
  hasPlace({ underWay, failures, pausedUntil }: Standing): boolean {
    if (pausedUntil > this.#clock.now()) return false
    return underWay < (failures > 0 ? 1 : WEBHOOK_LIMITS.atOnce)
  }

  /** An attempt ended. */
  note(standing: Standing, error: AttemptError): void {
    const now = this.#clock.now()
    standing.lastError = error ?? null
    if (error === undefined) {
      standing.failures = 0
      standing.lastDeliveryAt = now
      return
    }
    standing.failures++
    const { failures, mostPauseMs } = WEBHOOK_LIMITS
    const beyond = standing.failures - failures
    if (beyond >= 0) standing.pausedUntil = now + Math.min(FIRST_PAUSE_MS * 2 ** beyond, mostPauseMs)
  }

  /** It answers again. */
  mended(standing: Standing): void {
    standing.failures = 0
    standing.pausedUntil = 0
  }

  forget(id: string): void {
    this.#standings.delete(id)
  }
}
