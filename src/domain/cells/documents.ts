import type { CellStatus } from '../../../protocol/annotations.ts'
import { decodeSignatureToken } from '../../kernel/identity/manifest-signature.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'
import { type CellRecord, cellTexts, counters, decodeCell } from './records.ts'

/** A document that this node holds, as far as questions about it need. */
export interface DocumentCell {
  readonly id: string
  readonly publisher: string
  readonly cellType: string
  readonly version: string
  /** `sha256:…` */
  readonly digest: string
  readonly size: number
  readonly mediaType: string
  /** As the signed manifest labels it. */
  readonly domain?: string
  readonly jurisdiction?: string
  readonly status: CellStatus
  /** How many key records its signature came with. */
  readonly keyRecords: number
}

const FORMAT = 'document'
const documents = jsonKeyspace<Omit<DocumentCell, 'id'>>(KEYSPACES.documents)
const NOTED = 'documents:noted'
/** Cells that are noted in one transaction when they are older than the list. */
const BATCH = 500

/** Notes a document in the transaction that adds or changes it. */
export function noteDocument(tx: Transaction, { id, manifest, signature, status }: CellRecord): void {
  if (manifest.packaging_format !== FORMAT) return
  const { publisher, cell_type: cellType, version, media_type: mediaType, labels } = manifest
  const { digest, size } = manifest.package
  tx.put(documents, id, {
    publisher,
    cellType,
    version,
    digest,
    size,
    mediaType,
    ...(labels.domain === undefined ? {} : { domain: labels.domain }),
    ...(labels.jurisdiction === undefined ? {} : { jurisdiction: labels.jurisdiction }),
    status,
    keyRecords: decodeSignatureToken(signature).key_records.length,
  })
}

/** Forgets a document in the transaction that removes it. */
export function forgetDocument(tx: Transaction, { id, manifest }: Pick<CellRecord, 'id' | 'manifest'>): void {
  if (manifest.packaging_format === FORMAT) tx.delete(documents, id)
}

/** The documents that this node holds, registered here or copied from others. In memory: some 400 bytes for each. */
export class Documents {
  readonly #store: Store
  readonly #documents = new Map<string, DocumentCell>()
  readonly #watchers: (() => void)[] = []
  #revision = 0

  constructor(store: Store) {
    this.#store = store
  }

  /** Reads the list; in a store of an older release, once, from the cells. */
  async load(): Promise<void> {
    if (this.#store.get(counters, NOTED) !== 1) await this.#note()
    for await (const [id, document] of this.#store.scan(documents)) this.#documents.set(id, { id, ...document })
  }

  /** A transaction on a cell is on disk. */
  changed({ id, manifest }: Pick<CellRecord, 'id' | 'manifest'>): void {
    if (manifest.packaging_format !== FORMAT) return
    const document = this.#store.get(documents, id)
    if (document === undefined) this.#documents.delete(id)
    else this.#documents.set(id, { id, ...document })
    this.#revision++
    for (const watcher of this.#watchers) watcher()
  }

  /** Tells `watcher` whenever documents came, changed or went. */
  watch(watcher: () => void): void {
    this.#watchers.push(watcher)
  }

  /** Another number whenever anything about them is another. */
  get revision(): number {
    return this.#revision
  }

  get size(): number {
    return this.#documents.size
  }

  get(id: string): DocumentCell | undefined {
    return this.#documents.get(id)
  }

  all(): Iterable<DocumentCell> {
    return this.#documents.values()
  }

  async #note(): Promise<void> {
    let batch: CellRecord[] = []
    const flush = async (): Promise<void> => {
      const cells = batch
      batch = []
      await this.#store.transact((tx) => {
        for (const cell of cells) noteDocument(tx, cell)
      })
    }
    for await (const [id, text] of this.#store.scan(cellTexts)) {
      const cell = decodeCell(id, text)
      if (cell.manifest.packaging_format === FORMAT) batch.push(cell)
      if (batch.length >= BATCH) await flush()
    }
    await flush()
    await this.#store.transact((tx) => tx.put(counters, NOTED, 1))
  }
}
