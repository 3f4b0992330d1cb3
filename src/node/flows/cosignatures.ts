import type { RoleCertificate } from '../../../protocol/rpc.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store } from '../../kernel/storage/store.ts'

/** What a witness said of the node's own log last. */
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

/** Witnesses whose last cosignature is kept: twice as many as are asked, so that who was away a while is known again. */
const MAX_WITNESSES = 16

const cosignatures = jsonKeyspace<Cosignature>(KEYSPACES.checkpoints)
const PREFIX = 'c!'

/** The newest cosignature of each witness of the node's own log. */
export class Cosignatures {
  readonly #store: Store
  readonly #held = new Map<string, Cosignature>()

  constructor(store: Store) {
    this.#store = store
  }

  async load(): Promise<void> {
    for await (const [, held] of this.#store.scan(cosignatures, { prefix: PREFIX }))
      this.#held.set(held.provider_id, held)
  }

  get(witness: string): Cosignature | undefined {
    return this.#held.get(witness)
  }

  list(): Cosignature[] {
    return [...this.#held.values()]
  }

  /** Durable when it resolves. Of too many, the one that is oldest goes. */
  async put(cosignature: Cosignature): Promise<void> {
    const { provider_id: witness } = cosignature
    const others = this.list().filter((one) => one.provider_id !== witness)
    others.sort((a, b) => a.at - b.at)
    const gone = others.slice(0, Math.max(0, others.length + 1 - MAX_WITNESSES))
    await this.#store.transact((tx) => {
      tx.put(cosignatures, PREFIX + witness, cosignature)
      for (const one of gone) tx.delete(cosignatures, PREFIX + one.provider_id)
    })
    this.#held.set(witness, cosignature)
    for (const one of gone) this.#held.delete(one.provider_id)
  }

  /** Those of a checkpoint. */
  of(origin: string, size: number): Cosignature[] {
    return this.list().filter((one) => one.origin === origin && one.size === size)
  }

  /** The size, of at least `least` leaves, that most witnesses cosigned, the largest of several; undefined when there is none. */
  bestSize(origin: string, least: number): number | undefined {
    const counts = new Map<number, number>()
    for (const one of this.#held.values()) {
      if (one.origin === origin && one.size >= least) counts.set(one.size, (counts.get(one.size) ?? 0) + 1)
    }
    return [...counts].sort(([a, m], [b, n]) => n - m || b - a)[0]?.[0]
  }
}
