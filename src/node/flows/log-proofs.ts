import type { RegistrationProof } from '../../../protocol/cells.ts'
import type { ConsistencyProof, InclusionProof, LogEvidence } from '../../../protocol/log.ts'
import { toBase64Url, toHex } from '../../kernel/base/bytes.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { logOrigin } from '../../kernel/log/checkpoint.ts'
import { CheckpointSigner } from '../../kernel/log/checkpoint-signer.ts'
import { formatNoteKey, noteKey } from '../../kernel/log/note.ts'
import { parseTilePath } from '../../kernel/log/tiles.ts'
import { leafHash } from '../../kernel/log/tree.ts'
import type { NodeParts } from '../parts.ts'

/** What can be read and proven of the node's own log. What is not in the log is `PROV_001` with status 404. */
export class LogProofs {
  readonly origin: string
  /** The key that signs its checkpoints, as C2SP `signed-note` writes one. */
  readonly vkey: string
  readonly #parts: Pick<NodeParts, 'log' | 'cellLog' | 'store' | 'keys'>
  readonly #signer: CheckpointSigner

  constructor(parts: Pick<NodeParts, 'log' | 'cellLog' | 'store' | 'keys'>) {
    const { key } = parts.keys.log
    this.#parts = parts
    this.origin = logOrigin(parts.keys.providerId)
    this.vkey = formatNoteKey(noteKey(this.origin, key.publicKey))
    this.#signer = new CheckpointSigner(parts.log, this.origin, key)
  }

  /** The signed checkpoint of everything that is durable. */
  checkpoint(): string {
    return this.#signer.latest()
  }

  inclusion(index: number, size: number = this.#parts.log.size): InclusionProof {
    const { log } = this.#parts
    const path = within(() => log.inclusion(index, size))
    const leaf = log.leaf(index)!
    return { log_index: index, tree_size: size, leaf_hash: toHex(leafHash(leaf)), hashes: path.map(toHex) }
  }

  consistency(from: number, to: number = this.#parts.log.size): ConsistencyProof {
    const path = within(() => this.#parts.log.consistency(from, to))
    return { from, to, hashes: path.map(toHex) }
  }

  /** The bytes of a tile or bundle, from `tile/` on. */
  tile(path: string): Uint8Array {
    const tile = parseTilePath(path)
    const { log } = this.#parts
    const bytes =
      tile === undefined
        ? undefined
        : tile.level === 'entries'
          ? log.entries(tile.index, tile.width)
          : log.tile(tile.level, tile.index, tile.width)
    if (bytes === undefined) throw absent(`the log has no ${path.slice(0, 80)}`)
    return bytes
  }

  /** All that it takes to verify offline that a cell was registered here; undefined for one that was not. */
  evidence(cellId: string): LogEvidence | undefined {
    const { log, cellLog, store } = this.#parts
    const index = cellLog.indexOf(store, cellId)
    if (index === undefined) return undefined
    const checkpoint = this.#signer.latest()
    // What was appended since then is not in the checkpoint; the size of the tree is its second line.
    const size = Number(checkpoint.split('\n', 2)[1])
    return { leaf: toBase64Url(log.leaf(index)!), inclusion: this.inclusion(index, size), checkpoint }
  }

  /** Whether there is evidence of a cell. */
  isLogged(cellId: string): boolean {
    const { cellLog, store } = this.#parts
    return cellLog.indexOf(store, cellId) !== undefined
  }

  /** The evidence, with whose log it is; undefined for a cell that was not registered here. */
  registration(cellId: string): RegistrationProof | undefined {
    const evidence = this.evidence(cellId)
    if (evidence === undefined) return undefined
    const { providerId, log } = this.#parts.keys
    return { provider_id: providerId, certificate: log.certificate, evidence }
  }
}

function within<Result>(prove: () => Result): Result {
  try {
    return prove()
  } catch (error) {
    throw error instanceof RangeError ? absent(error.message) : error
  }
}

const absent = (message: string): ProviderError => new ProviderError('PROV_001', message, { status: 404 })
