import { randomBytes } from 'node:crypto'
import { type DeadLetterList, WEBHOOK_LIMITS, type WebhookEvent } from '../../../protocol/webhooks.ts'
import { toHex } from '../../kernel/base/bytes.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'

/** What is stored of an event on its way. */
interface DeliveryRecord {
  /** `event_type`. */
  readonly type: string
  /** The event as JSON. */
  readonly body: string
  /** Unix milliseconds. */
  readonly queued_at: number
  readonly due: number
  readonly attempts: number
}

interface DeadRecord extends DeliveryRecord {
  /** Unix milliseconds. */
  readonly failed_at: number
  readonly error: string
}

/** An event on its way, without its text. */
export interface Delivery {
  readonly id: string
  /** Whose: the id of a webhook, or the name of a notifier. */
  readonly to: string
  readonly type: string
  readonly queuedAt: number
  readonly due: number
  readonly attempts: number
}

/** An event that has its room, and is not on disk yet. */
export interface Admitted {
  put(tx: Transaction): void
  /** Says how that transaction ended. */
  settle(isDurable: boolean): void
}

/** The events on their way to one receiver. */
interface Lane {
  /** To be tried as soon as there is room, oldest first. */
  ready: Delivery[]
  /** To be tried again, those that are due first at the front. */
  later: Delivery[]
  /** Being tried. */
  underWay: number
  /** Ids of those that did not arrive, oldest first. */
  dead: string[]
}

const deliveries = jsonKeyspace<DeliveryRecord>(KEYSPACES.deliveries)
const deadLetters = jsonKeyspace<DeadRecord>(KEYSPACES.deadLetters)

/** Why an event that found no room did not arrive. */
const QUEUE_FULL = 'queue_full'
/** An id is the time, a count within it, and what nobody can guess. */
const ID_TIME_DIGITS = 12
const ID_COUNT_DIGITS = 4
const ID_RANDOM_BYTES = 8

/**
 * Events on their way, durable and bounded: what finds no room, and what is not taken for a day, becomes a dead letter, which can be
 * replayed. In memory is who waits for what; the texts are on disk.
 */
export class Deliveries {
  readonly #store: Store
  readonly #clock: Clock
  readonly #lanes = new Map<string, Lane>()
  /** A delivery is tried for a day that this node runs. */
  #loadedAt = 0
  #total = 0

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Reads in what is on its way to those who are still there; the rest is removed. */
  async load(isThere: (to: string) => boolean): Promise<void> {
    this.#loadedAt = this.#clock.now()
    const lost: string[] = []
    for await (const [key, record] of this.#store.scan(deliveries)) {
      const [to, id] = partsOf(key)
      if (isThere(to)) this.#wait(describe(id, to, record))
      else lost.push(key)
    }
    const lostDead: string[] = []
    for await (const key of this.#store.keys(deadLetters)) {
      const [to, id] = partsOf(key)
      if (isThere(to)) this.#lane(to).dead.push(id)
      else lostDead.push(key)
    }
    if (lost.length + lostDead.length === 0) return
    await this.#store.transact((tx) => {
      for (const key of lost) tx.delete(deliveries, key)
      for (const key of lostDead) tx.delete(deadLetters, key)
    })
  }

  /** Puts an event on its way to each of them. Durable when it resolves; where there is no room, as a dead letter. */
  async add(event: WebhookEvent, receivers: readonly string[]): Promise<void> {
    if (receivers.length === 0) return
    const admitted = this.admit(event, receivers)
    try {
      await this.#store.transact((tx) => admitted.put(tx))
    } catch (error) {
      admitted.settle(false)
      throw error
    }
    admitted.settle(true)
  }

  /** The same in a transaction of the caller: the event is on its way when that is durable, and only then. */
  admit(event: WebhookEvent, receivers: readonly string[]): Admitted {
    const now = this.#clock.now()
    const body = JSON.stringify(event)
    if (Buffer.byteLength(body) > WEBHOOK_LIMITS.eventBytes) {
      throw new Error(`an event of ${Buffer.byteLength(body)} bytes, allowed are ${WEBHOOK_LIMITS.eventBytes}`)
    }
    const record: DeliveryRecord = { type: event.event_type, body, queued_at: now, due: now, attempts: 0 }
    const taken: Delivery[] = []
    const refused: Delivery[] = []
    for (const to of receivers) {
      const delivery = describe(newDeliveryId(now), to, record)
      if (this.#hasRoom(to)) {
        taken.push(delivery)
        // Room is taken at once: what comes while the disk is busy counts.
        this.#total++
        this.#lane(to).underWay++
      } else refused.push(delivery)
    }
    const dropped = refused.flatMap(({ to, id }) => this.#makeDead(to, [id]))
    return {
      put(tx) {
        for (const { id, to } of taken) tx.put(deliveries, keyOf(to, id), record)
        for (const { id, to } of refused)
          tx.put(deadLetters, keyOf(to, id), { ...record, failed_at: now, error: QUEUE_FULL })
        for (const key of dropped) tx.delete(deadLetters, key)
      },
      settle: (isDurable) => {
        for (const delivery of taken) {
          if (isDurable) this.#release(delivery)
          else this.#leave(delivery)
        }
      },
    }
  }

  /** The next event for a receiver that is due now, which is then being tried; undefined when there is none. */
  take(to: string): Delivery | undefined {
    const lane = this.#lanes.get(to)
    if (lane === undefined) return undefined
    const now = this.#clock.now()
    while (lane.later[0] !== undefined && lane.later[0].due <= now) lane.ready.push(lane.later.shift()!)
    const delivery = lane.ready.shift()
    if (delivery !== undefined) lane.underWay++
    return delivery
  }

  /** The text of an event on its way; undefined when it is gone. */
  bodyOf({ to, id }: Delivery): string | undefined {
    return this.#store.get(deliveries, keyOf(to, id))?.body
  }

  /** It arrived. Durable when it resolves. */
  async arrived(delivery: Delivery): Promise<void> {
    this.#leave(delivery)
    await this.#store.transact((tx) => tx.delete(deliveries, keyOf(delivery.to, delivery.id)))
  }

  /** It was not tried after all. */
  putBack(delivery: Delivery): void {
    const lane = this.#lanes.get(delivery.to)
    if (lane === undefined) return
    lane.underWay--
    lane.ready.unshift(delivery)
  }

  /**
   * It did not arrive. It is tried again later, unless it was tried for a day: then it becomes a dead letter, and with it everything that is as old
   * and waits behind it. Durable when it resolves.
   */
  async failed(delivery: Delivery, error: string): Promise<void> {
    const now = this.#clock.now()
    const lane = this.#lanes.get(delivery.to)
    if (lane === undefined) return
    const attempts = delivery.attempts + 1
    const tried: Delivery = { ...delivery, attempts, due: now + retryDelay(attempts) }
    if (!this.#isOver(tried, now)) {
      try {
        await this.#rewrite(tried)
      } finally {
        this.#release(tried)
      }
      return
    }
    const old = [...lane.ready, ...lane.later].filter((other) => this.#isOver(other, now))
    const gone = new Set(old)
    lane.ready = lane.ready.filter((other) => !gone.has(other))
    lane.later = lane.later.filter((other) => !gone.has(other))
    this.#leave(delivery)
    this.#total -= old.length
    await this.#kill(delivery.to, [tried, ...old], error)
  }

  /** Nothing more is wanted there: everything on its way becomes a dead letter. Durable when it resolves. */
  async giveUp(to: string, error: string, tried?: Delivery): Promise<void> {
    const lane = this.#lanes.get(to)
    if (lane === undefined) return
    const waiting = [...lane.ready, ...lane.later]
    lane.ready = []
    lane.later = []
    this.#total -= waiting.length
    if (tried !== undefined) this.#leave(tried)
    const last = tried === undefined ? [] : [{ ...tried, attempts: tried.attempts + 1 }]
    await this.#kill(to, [...last, ...waiting], error)
  }

  /** How many are on their way to anybody. */
  get total(): number {
    return this.#total
  }

  /** How many are on their way, and how many did not arrive. */
  countsOf(to: string): { readonly queued: number; readonly dead: number } {
    const lane = this.#lanes.get(to)
    if (lane === undefined) return { queued: 0, dead: 0 }
    return { queued: lane.ready.length + lane.later.length + lane.underWay, dead: lane.dead.length }
  }

  /** A page of those that did not arrive, oldest first. */
  deadLetters(to: string, { limit, after }: { readonly limit: number; readonly after?: string }): DeadLetterList {
    const all = this.#lanes.get(to)?.dead ?? []
    const start = after === undefined ? 0 : all.findIndex((id) => id > after)
    const page = start === -1 ? [] : all.slice(start, start + limit)
    const letters = page.flatMap((id) => {
      const record = this.#store.get(deadLetters, keyOf(to, id))
      if (record === undefined) return []
      return {
        delivery_id: id,
        event: JSON.parse(record.body) as WebhookEvent,
        attempts: record.attempts,
        failed_at: new Date(record.failed_at).toISOString(),
        error: record.error,
      }
    })
    const last = page.at(-1)
    return { total: all.length, dead_letters: letters, next_after: last === all.at(-1) ? null : (last ?? null) }
  }

  /** Puts those that did not arrive on their way again, under the same ids, as far as there is room. Durable when it resolves. */
  async replay(to: string): Promise<number> {
    const lane = this.#lanes.get(to)
    if (lane === undefined) return 0
    const now = this.#clock.now()
    const ids = lane.dead.splice(0, this.#roomFor(to))
    // They are not dead letters any more, and take their room at once.
    lane.underWay += ids.length
    this.#total += ids.length
    const revived: Delivery[] = []
    try {
      await this.#store.transact((tx) => {
        for (const id of ids) {
          const dead = tx.get(deadLetters, keyOf(to, id))
          tx.delete(deadLetters, keyOf(to, id))
          if (dead === undefined) continue
          const record = { type: dead.type, body: dead.body, queued_at: now, due: now, attempts: 0 }
          tx.put(deliveries, keyOf(to, id), record)
          revived.push(describe(id, to, record))
        }
      })
    } catch (error) {
      lane.dead = [...ids, ...lane.dead]
      if (this.#lanes.get(to) === lane) this.#total -= ids.length
      lane.underWay -= ids.length
      throw error
    }
    if (this.#lanes.get(to) !== lane) return 0
    lane.underWay -= ids.length
    this.#total -= ids.length
    for (const delivery of revived) this.#wait(delivery)
    return revived.length
  }

  /** Forgets everything about a receiver, in the transaction that removes it. */
  forget(tx: Transaction, to: string): void {
    const lane = this.#lanes.get(to)
    if (lane === undefined) return
    for (const { id } of [...lane.ready, ...lane.later]) tx.delete(deliveries, keyOf(to, id))
    for (const id of lane.dead) tx.delete(deadLetters, keyOf(to, id))
  }

  /** The same in memory, once that transaction is durable. What is being tried ends by itself. */
  forgotten(to: string): void {
    const lane = this.#lanes.get(to)
    if (lane === undefined) return
    this.#lanes.delete(to)
    this.#total -= lane.ready.length + lane.later.length + lane.underWay
  }

  #lane(to: string): Lane {
    const lane = this.#lanes.get(to) ?? { ready: [], later: [], underWay: 0, dead: [] }
    this.#lanes.set(to, lane)
    return lane
  }

  #roomFor(to: string): number {
    const { queued, queuedInAll } = WEBHOOK_LIMITS
    return Math.max(0, Math.min(queued - this.countsOf(to).queued, queuedInAll - this.#total))
  }

  #hasRoom(to: string): boolean {
    return this.#roomFor(to) > 0
  }

  #isOver({ queuedAt, due, attempts }: Delivery, now: number): boolean {
    const end = Math.max(queuedAt, this.#loadedAt) + WEBHOOK_LIMITS.retryMs
    // One that was tried is over when its next turn would be too late.
    return (attempts > 0 ? Math.max(now, due) : now) >= end
  }

  /** Adds one that waits. */
  #wait(delivery: Delivery): void {
    this.#total++
    this.#insert(this.#lane(delivery.to), delivery)
  }

  /** One that was being tried, or written, waits. */
  #release(delivery: Delivery): void {
    const lane = this.#lanes.get(delivery.to)
    if (lane === undefined) return
    lane.underWay--
    this.#insert(lane, delivery)
  }

  #insert({ ready, later }: Lane, delivery: Delivery): void {
    if (delivery.due <= this.#clock.now()) {
      ready.push(delivery)
      return
    }
    let at = later.length
    while (at > 0 && later[at - 1]!.due > delivery.due) at--
    later.splice(at, 0, delivery)
  }

  /** One that was being tried, or written, is not here any more. */
  #leave({ to }: Delivery): void {
    const lane = this.#lanes.get(to)
    if (lane === undefined) return
    lane.underWay--
    this.#total--
  }

  async #rewrite({ to, id, due, attempts }: Delivery): Promise<void> {
    await this.#store.transact((tx) => {
      const record = tx.get(deliveries, keyOf(to, id))
      if (record !== undefined) tx.put(deliveries, keyOf(to, id), { ...record, due, attempts })
    })
  }

  /** Makes dead letters of what is not on its way any more. */
  async #kill(to: string, over: readonly Delivery[], error: string): Promise<void> {
    const failedAt = this.#clock.now()
    const dropped = this.#makeDead(
      to,
      over.map(({ id }) => id),
    )
    const isDropped = new Set(dropped)
    await this.#store.transact((tx) => {
      for (const { id, attempts } of over) {
        const key = keyOf(to, id)
        const record = tx.get(deliveries, key)
        tx.delete(deliveries, key)
        if (record === undefined || isDropped.has(key)) continue
        tx.put(deadLetters, key, { ...record, attempts, failed_at: failedAt, error })
      }
      for (const key of dropped) tx.delete(deadLetters, key)
    })
  }

  /** Counts them as dead letters; returns the keys of those that there is no room for. */
  #makeDead(to: string, ids: readonly string[]): string[] {
    const lane = this.#lane(to)
    lane.dead = [...lane.dead, ...ids].sort()
    return lane.dead.splice(0, lane.dead.length - WEBHOOK_LIMITS.deadLetters).map((id) => keyOf(to, id))
  }
}

const keyOf = (to: string, id: string): string => `${to}!${id}`

function partsOf(key: string): readonly [to: string, id: string] {
  const at = key.lastIndexOf('!')
  return [key.slice(0, at), key.slice(at + 1)]
}

const describe = (id: string, to: string, { type, queued_at, due, attempts }: DeliveryRecord): Delivery => ({
  id,
  to,
  type,
  queuedAt: queued_at,
  due,
  attempts,
})

let made = 0

/** A new id; later ones sort behind. */
export function newDeliveryId(now: number): string {
  made = (made + 1) % 16 ** ID_COUNT_DIGITS
  const hex = (number: number, digits: number): string => number.toString(16).padStart(digits, '0')
  return `msg_${hex(now, ID_TIME_DIGITS)}${hex(made, ID_COUNT_DIGITS)}${toHex(randomBytes(ID_RANDOM_BYTES))}`
}

/** Milliseconds until an event is tried again after so many attempts: twice as many each time, and up to a fifth more, so that not all come at once. */
export const retryDelay = (attempts: number): number =>
  Math.min(WEBHOOK_LIMITS.firstRetryMs * 2 ** (attempts - 1), WEBHOOK_LIMITS.retryMs) * (1 + Math.random() / 5)
