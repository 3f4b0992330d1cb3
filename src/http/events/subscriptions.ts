import { EVENT_LIMITS, type EventChannel } from '../../../protocol/events.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import type { KeptEvent } from './event-ring.ts'

/** What one connection listens to: channels, for every goal or for some. */
export class Subscriptions {
  readonly #whole = new Set<EventChannel>()
  readonly #goals = new Map<EventChannel, Set<string>>()

  get size(): number {
    let size = this.#whole.size
    for (const goals of this.#goals.values()) size += goals.size
    return size
  }

  /** All or none of them. Throws `PROV_013` when there would be too many. */
  add(channels: readonly EventChannel[], goalId: string | undefined): void {
    const more = channels.filter((channel) => !this.#has(channel, goalId)).length
    if (this.size + more > EVENT_LIMITS.subscriptions) {
      const message = `a connection may have ${EVENT_LIMITS.subscriptions} subscriptions, this would be one more`
      throw new ProviderError('PROV_013', message)
    }
    for (const channel of channels) {
      if (goalId === undefined) this.#whole.add(channel)
      else this.#goals.set(channel, (this.#goals.get(channel) ?? new Set<string>()).add(goalId))
    }
  }

  /** Without a goal, everything of the channels. Throws `PROV_001` for what was not subscribed to. */
  remove(channels: readonly EventChannel[], goalId: string | undefined): void {
    for (const channel of channels) {
      const found = goalId === undefined ? this.#isHeard(channel) : this.#has(channel, goalId)
      const what = goalId === undefined ? channel : `${channel} of goal ${goalId}`
      if (!found) throw new ProviderError('PROV_001', `channels: this connection is not subscribed to ${what}`)
    }
    for (const channel of channels) {
      if (goalId === undefined) {
        this.#whole.delete(channel)
        this.#goals.delete(channel)
      } else this.#goals.get(channel)?.delete(goalId)
    }
  }

  includes({ channel, goalId }: Pick<KeptEvent, 'channel' | 'goalId'>): boolean {
    if (this.#whole.has(channel)) return true
    return goalId !== undefined && this.#goals.get(channel)?.has(goalId) === true
  }

  #has(channel: EventChannel, goalId: string | undefined): boolean {
    return goalId === undefined ? this.#whole.has(channel) : this.#goals.get(channel)?.has(goalId) === true
  }

  #isHeard(channel: EventChannel): boolean {
    return this.#whole.has(channel) || (this.#goals.get(channel)?.size ?? 0) > 0
  }
}
