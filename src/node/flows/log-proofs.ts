import type { RegistrationProof } from '../../../protocol/cells.ts'
import type { ConsistencyProof, InclusionProof, LogEvidence } from '../../../protocol/log.ts'
import { toBase64Url, toHex } from '../../kernel/base/bytes.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { signCheckpoint } from '../../kernel/log/checkpoint.ts'
import { CheckpointSigner } from '../../kernel/log/checkpoint-signer.ts'
import { withLines } from '../../kernel/log/cosignature.ts'
import { formatNoteKey, noteKey } from '../../kernel/log/note.ts'
import { parseTilePath } from '../../kernel/log/tiles.ts'
import { leafHash } from '../../kernel/log/tree.ts'
import type { NodeParts } from '../parts.ts'
import type { Cosignatures } from './cosignatures.ts'
import type { LogEpochs } from './log-epochs.ts'

/** What can be read and proven of the node's own log. What is not in the log is `PROV_001` with status 404. */
export class LogProofs {
  readonly #parts: Pick<NodeParts, 'log' | 'cellLog' | 'store' | 'keys'>
  readonly #epochs: Pick<LogEpochs, 'origin'>
  readonly #cosignatures: Pick<Cosignatures, 'lines' | 'bestSize'>
  #signer: CheckpointSigner | undefined

  constructor(
    parts: Pick<NodeParts, 'log' | 'cellLog' | 'store' | 'keys'>,
    epochs: Pick<LogEpochs, 'origin'>,
    cosignatures: Pick<Cosignatures, 'lines' | 'bestSize'>,
  ) {
    this.#parts = parts
    this.#epochs = epochs
    this.#cosignatures = cosignatures
  }

  get origin(): string {
    return this.#epochs.origin
  }

  /** The key that signs its checkpoints, as C2SP `signed-note` writes one. */
  get vkey(): string {
    return formatNoteKey(noteKey(this.origin, this.#parts.keys.log.key.publicKey))
  }

  /** The signed checkpoint of everything that is durable, with the lines of the witnesses that cosigned it. */
  checkpoint(): string {
    const { log, keys } = this.#parts
    const { origin } = this
    if (this.#signer?.origin !== origin) this.#signer = new CheckpointSigner(log, origin, keys.log.key)
    const note = this.#signer.latest()
    return withLines(note, this.#cosignatures.lines(origin, sizeOf(note)))
  }

  /** What a peer that asks for a consistency proof is told; nothing of another epoch or of leaves that are not here. */
  prove({ origin, from, to }: { origin: string; from: number; to: number }): { from_root?: string; hashes?: string[] } {
    const { log } = this.#parts
    if (origin !== this.origin || from > to || to > log.size) return {}
    return { from_root: toHex(log.root(from)), hashes: log.consistency(from, to).map(toHex) }
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
    const { origin } = this
    const checkpoint = this.#witnessed(this.#cosignatures.bestSize(origin, index + 1)) ?? this.checkpoint()
    // What was appended since then is not in the checkpoint.
    const size = sizeOf(checkpoint)
    return { leaf: toBase64Url(log.leaf(index)!), inclusion: this.inclusion(index, size), checkpoint }
  }

  /** The checkpoint of an earlier size, as it was signed then, with the lines of its witnesses. */
  #witnessed(size: number | undefined): string | undefined {
    const { log, keys } = this.#parts
    if (size === undefined || size > log.size) return undefined
    const { origin } = this
    const note = signCheckpoint({ origin, size, root: log.root(size) }, keys.log.key)
    return withLines(note, this.#cosignatures.lines(origin, size))
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

/** The second line of a checkpoint. */
const sizeOf = (note: string): number => Number(note.split('\n', 2)[1])

function within<Result>(prove: () => Result): Result {
  try {
    return prove()
  } catch (error) {
    throw error instanceof RangeError ? absent(error.message) : error
  }
}

const absent = (message: string): ProviderError => new ProviderError('PROV_001', message, { status: 404 })
