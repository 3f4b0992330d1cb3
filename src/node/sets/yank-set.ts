import type { Acceptance } from '../../../protocol/rpc.ts'
import type { SignedYank } from '../../../protocol/yank.ts'
import type { YankChange } from '../../domain/cells/yanks.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { sha256Hex } from '../../kernel/base/hash.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import { decodeYankToken, verifyYank } from '../../kernel/identity/yank-signature.ts'
import type { IdIndex } from '../../network/sync/id-index.ts'
import type { RecordSet } from '../../network/sync/record-set.ts'
import type { NodeParts } from '../parts.ts'
import { KeyedRecords } from './keyed-records.ts'

interface Parts extends Pick<NodeParts, 'yanks' | 'publishers'> {
  readonly config: Pick<NodeParts['config'], 'network'>
}

/** What the publishers said last of cells, as far as their keys count. A record is a yank token. */
export class YankSet implements RecordSet {
  readonly name = 'yanks'
  readonly isPermanent = true
  readonly #parts: Parts
  readonly #onTaken: (change: YankChange) => void
  readonly #records = new KeyedRecords()
  readonly #byPublisher = new Map<string, Set<string>>()

  /** `onTaken` hears of yanks that changed what this node knows. */
  constructor(parts: Parts, onTaken: (change: YankChange) => void) {
    this.#parts = parts
    this.#onTaken = onTaken
  }

  load(): void {
    const { yanks, publishers } = this.#parts
    yanks.watch((cell) => this.#look(cell))
    publishers.watch((publisher) => {
      for (const id of this.#byPublisher.get(publisher) ?? []) this.#look({ id, publisher })
    })
    for (const cell of yanks.signed()) this.#look(cell)
  }

  get ids(): IdIndex {
    return this.#records.ids
  }

  text(id: string): string | undefined {
    const [cell = '', publisher = ''] = this.#records.keyOf(id)?.split('!') ?? []
    const token = cell === '' ? undefined : this.#parts.yanks.token({ id: cell, publisher })
    // A newer one may be on disk already.
    return token !== undefined && sha256Hex(token) === id ? token : undefined
  }

  async accept(text: string, from: string): Promise<Acceptance> {
    if (this.#verified(text) === undefined) return 'rejected'
    try {
      const change = await this.#parts.yanks.accept(text, from)
      if (change === undefined) return 'ignored'
      this.#onTaken(change)
      return 'accepted'
    } catch (error) {
      // What this node knows of the publisher speaks against it: others may know less.
      if (error instanceof ProviderError) return 'ignored'
      throw error
    }
  }

  #verified(text: string): SignedYank | undefined {
    try {
      const signed = decodeYankToken(text)
      verifyYank(nativeVerifier, this.#parts.config.network.name, signed)
      return signed
    } catch (error) {
      if (error instanceof ProviderError) return undefined
      throw error
    }
  }

  #look(cell: { readonly id: string; readonly publisher: string }): void {
    const { id, publisher } = cell
    const cells = this.#byPublisher.get(publisher) ?? new Set()
    this.#byPublisher.set(publisher, cells.add(id))
    this.#records.set(`${id}!${publisher}`, this.#parts.yanks.sharedId(cell))
  }
}
