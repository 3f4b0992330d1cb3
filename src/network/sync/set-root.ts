import { sha256 } from '../../kernel/base/hash.ts'
import { leafHash, merkleRoot } from '../../kernel/base/merkle.ts'
import type { IdIndex } from './id-index.ts'
import { Turns } from './turns.ts'

const EMPTY = sha256(new Uint8Array())

/**
 * The root of a set, which depends on what is in it and on nothing else: the RFC 9162 tree over 256 bucket roots, bucket i being the RFC 9162
 * tree over the ids whose first byte is i, in their order. A change costs the tree of its bucket, when somebody asks for the root.
 */
export class SetRoot {
  readonly #ids: IdIndex
  readonly #buckets: { version: number; root: Uint8Array }[]
  #root: Uint8Array | undefined
  #reading: Promise<Uint8Array> | undefined

  constructor(ids: IdIndex) {
    this.#ids = ids
    this.#buckets = Array.from({ length: 256 }, () => ({ version: 0, root: EMPTY }))
  }

  /** 32 bytes. */
  read(): Promise<Uint8Array> {
    this.#reading ??= this.#compute().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  /** The same at once, for who cannot wait: of a hundred thousand ids that are all new, a tenth of a second. */
  readNow(): Uint8Array {
    for (let first = 0; first < 256; first++) this.#update(first)
    return this.#top()
  }

  async #compute(): Promise<Uint8Array> {
    const turns = new Turns()
    for (let first = 0; first < 256; first++) if (this.#update(first)) await turns.next()
    return this.#top()
  }

  /** Whether a bucket had changed. */
  #update(first: number): boolean {
    const version = this.#ids.versionOf(first)
    if (this.#buckets[first]!.version === version) return false
    this.#buckets[first] = { version, root: merkleRoot(this.#ids.withFirst(first).map(leafHash)) }
    this.#root = undefined
    return true
  }

  #top(): Uint8Array {
    if (this.#root !== undefined) return this.#root
    const root = merkleRoot(this.#buckets.map((bucket) => leafHash(bucket.root)))
    this.#root = root
    return root
  }
}
