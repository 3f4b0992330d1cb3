import { randomBytes } from 'node:crypto'
import type { EventChannel, EventGap, NodeEvent } from '../../../protocol/events.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { ProviderError } from '../../kernel/base/errors.ts'

/** What happened, before it has a place and a time. */
export type Happening = NodeEvent extends infer Each
  ? Each extends NodeEvent
    ? Omit<Each, 'cursor' | 'timestamp'>
    : never
  : never

/** An event in the ring. */
export interface KeptEvent {
  readonly channel: EventChannel
  readonly goalId: string | undefined
  /** The message, as bytes; written when the first client needs it, and once for all of them. */
  text(): Buffer
}

/** Where to begin: with the event of that number, and whether some before it are lost. */
export interface Start {
  readonly next: number
  readonly lost: EventGap['reason'] | undefined
}

/**
 * The newest events of this run of the node, numbered from 1. All connections read from here, so that what a slow one has not read yet
 * costs nothing.
 */
export class EventRing {
  readonly #run = randomBytes(8).toString('hex')
  readonly #clock: Clock
  readonly #places: (KeptEvent | undefined)[]
  #last = 0

  constructor(size: number, clock: Clock) {
    this.#places = new Array(size)
    this.#clock = clock
  }

  /** Number of the newest event; 0 before the first. */
  get last(): number {
    return this.#last
  }

  /** Number of the oldest event that is kept. */
  get oldest(): number {
    return Math.max(1, this.#last - this.#places.length + 1)
  }

  add(happening: Happening): void {
    const event = { ...happening, cursor: this.cursor(++this.#last), timestamp: this.#clock.now() }
    let text: Buffer | undefined
    this.#places[this.#last % this.#places.length] = {
      channel: happening.channel,
      goalId: happening.goal_id,
      text() {
        text ??= Buffer.from(JSON.stringify(event))
        return text
      },
    }
  }

  /** The event of that number, from `oldest` to `last`. */
  at(number: number): KeptEvent {
    return this.#places[number % this.#places.length]!
  }

  /** What a client says who has seen everything up to `number`. */
  cursor(number: number = this.#last): string {
    return `${this.#run}-${number}`
  }

  /** Where somebody goes on who has this cursor. Throws `PROV_001` for one that this run never gave out. */
  after(cursor: string): Start {
    const [run, seen] = cursor.split('-')
    if (run !== this.#run) return { next: this.oldest, lost: 'other_run' }
    const next = Number(seen) + 1
    if (next > this.#last + 1) {
      throw new ProviderError('PROV_001', `since: found ${cursor}, the newest event is ${this.cursor()}`)
    }
    return next < this.oldest ? { next: this.oldest, lost: 'too_old' } : { next, lost: undefined }
  }
}
