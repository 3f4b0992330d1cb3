import type { RoleCertificate } from '../../../protocol/rpc.ts'
import { parseLogOrigin } from '../../kernel/log/checkpoint.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store } from '../../kernel/storage/store.ts'

/** What a witness said of one of the node's logs last. */
export interface Cosignature {
  /** The witness. */
  readonly provider_id: string
  readonly certificate: RoleCertificate
  readonly origin: string
  readonly size: number
  /** Its line in the note. */
  readonly line: string
  /** Unix milliseconds. */
  readonly at: number
}

/** Witnesses of one log whose last cosignature is kept: twice as many as are asked, so that who was away a while is known again. */
const MAX_WITNESSES = 16

const cosignatures = jsonKeyspace<Cosignature>(KEYSPACES.checkpoints)
const PREFIX = 'c!'

/** The newest cosignature of each witness of the node's logs: its own, and those of its goals, which have the goal's digest as their name. */
export class Cosignatures {
  readonly #store: Store
  /** Goal, '' for the own log → witness → what it said. */
  readonly #held = new Map<string, Map<string, Cosignature>>()

  constructor(store: Store) {
    this.#store = store
  }

  async load(): Promise<void> {
    for await (const [, held] of this.#store.scan(cosignatures, { prefix: PREFIX })) {
      this.#set(parseLogOrigin(held.origin)?.goalId, held)
    }
  }

  get isEmpty(): boolean {
    return this.#held.size === 0
  }

  /** Whether a peer has cosigned anything. */
  isWitness(peer: string): boolean {
    return this.#held.values().some((witnesses) => witnesses.has(peer))
  }

  get(witness: string, goal?: string): Cosignature | undefined {
    return this.#held.get(goal ?? '')?.get(witness)
  }

  list(goal?: string): Cosignature[] {
    return [...(this.#held.get(goal ?? '')?.values() ?? [])]
  }

  /** Durable when it resolves. Of too many, the one that is oldest goes. */
  async put(cosignature: Cosignature, goal?: string): Promise<void> {
    const { provider_id: witness } = cosignature
    const others = this.list(goal).filter((one) => one.provider_id !== witness)
    others.sort((a, b) => a.at - b.at)
    const gone = others.slice(0, Math.max(0, others.length + 1 - MAX_WITNESSES))
    await this.#store.transact((tx) => {
      tx.put(cosignatures, keyOf(witness, goal), cosignature)
      for (const one of gone) tx.delete(cosignatures, keyOf(one.provider_id, goal))
    })
    this.#set(goal, cosignature)
    for (const one of gone) this.#held.get(goal ?? '')?.delete(one.provider_id)
  }

  /** Those of a checkpoint. */
  of(origin: string, size: number): Cosignature[] {
    return this.list(parseLogOrigin(origin)?.goalId).filter((one) => one.origin === origin && one.size === size)
  }

  /** The size, of at least `least` leaves, that most witnesses cosigned, the largest of several; undefined when there is none. */
  bestSize(origin: string, least: number): number | undefined {
    const counts = new Map<number, number>()
    for (const one of this.list(parseLogOrigin(origin)?.goalId)) {
      if (one.origin === origin && one.size >= least) counts.set(one.size, (counts.get(one.size) ?? 0) + 1)
    }
    return [...counts].sort(([a, m], [b, n]) => n - m || b - a)[0]?.[0]
  }

  #set(goal: string | undefined, cosignature: Cosignature): void {
    const witnesses = this.#held.get(goal ?? '') ?? new Map<string, Cosignature>()
    this.#held.set(goal ?? '', witnesses.set(cosignature.provider_id, cosignature))
  }
}

const keyOf = (witness: string, goal: string | undefined): string =>
  PREFIX + witness + (goal === undefined ? '' : `!${goal}`)
