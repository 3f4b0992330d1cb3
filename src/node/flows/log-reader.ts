import type { ConsistencyProof, InclusionProof } from '../../../protocol/log.ts'
import type { ProofFile } from '../../../protocol/proof-file.ts'
import { toBase64Url, toHex } from '../../kernel/base/bytes.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { signCheckpoint } from '../../kernel/log/checkpoint.ts'
import { CheckpointSigner } from '../../kernel/log/checkpoint-signer.ts'
import { withLines } from '../../kernel/log/cosignature.ts'
import { formatNoteKey, noteKey } from '../../kernel/log/note.ts'
import { parseTilePath } from '../../kernel/log/tiles.ts'
import { leafHash } from '../../kernel/log/tree.ts'
import type { NodeParts } from '../parts.ts'
import type { Cosignature } from './cosignatures.ts'

/** A log of this node, as its doors read it. What is not in the log is `PROV_001` with status 404. */
export interface ReadableLog {
  /** C2SP `tlog-checkpoint` of everything that is durable, with the lines of witnesses. */
  checkpoint(): string
  /** Without a size, at the newest. */
  inclusion(index: number, size?: number): InclusionProof
  consistency(from: number, to?: number): ConsistencyProof
  /** Bytes of a tile or bundle; `path` starts with `tile/` (C2SP `tlog-tiles`). */
  tile(path: string): Uint8Array
  /** All that it takes to verify offline that the leaf is in the log, now and with `since` leaves already. */
  proofFile(index: number, since?: number): ProofFile
}

/** What a log is read with. */
export interface LogReaderNeeds {
  readonly log: NodeParts['log']
  readonly keys: Pick<NodeParts['keys'], 'providerId' | 'log'>
  readonly network: string
  /** Origin line, as of now: it changes with the epoch. */
  origin(): string
  /** What witnesses said of the log. */
  cosignatures(origin: string, size: number): readonly Cosignature[]
}

/** What can be read and proven of any log of this node, the node's own or that of a goal. */
export class LogReader implements ReadableLog {
  readonly #needs: LogReaderNeeds
  #signer: CheckpointSigner | undefined

  constructor(needs: LogReaderNeeds) {
    this.#needs = needs
  }

  get origin(): string {
    return this.#needs.origin()
  }

  /** The key that signs its checkpoints, as C2SP `signed-note` writes one. */
  get vkey(): string {
    return formatNoteKey(noteKey(this.origin, this.#needs.keys.log.key.publicKey))
  }

  checkpoint(): string {
    const { log, keys } = this.#needs
    const { origin } = this
    if (this.#signer?.origin !== origin) this.#signer = new CheckpointSigner(log, origin, keys.log.key)
    return this.#witnessed(this.#signer.latest())
  }

  /** The checkpoint of an earlier size, as it was signed then. */
  checkpointAt(size: number): string {
    const { log, keys } = this.#needs
    const { origin } = this
    const root = within(() => log.root(size))
    return this.#witnessed(signCheckpoint({ origin, size, root }, keys.log.key))
  }

  inclusion(index: number, size: number = this.#needs.log.size): InclusionProof {
    const { log } = this.#needs
    const path = within(() => log.inclusion(index, size))
    const leaf = log.leaf(index)!
    return { log_index: index, tree_size: size, leaf_hash: toHex(leafHash(leaf)), hashes: path.map(toHex) }
  }

  consistency(from: number, to: number = this.#needs.log.size): ConsistencyProof {
    const path = within(() => this.#needs.log.consistency(from, to))
    return { from, to, hashes: path.map(toHex) }
  }

  tile(path: string): Uint8Array {
    const tile = parseTilePath(path)
    const { log } = this.#needs
    const bytes =
      tile === undefined
        ? undefined
        : tile.level === 'entries'
          ? log.entries(tile.index, tile.width)
          : log.tile(tile.level, tile.index, tile.width)
    if (bytes === undefined) throw absent(`the log has no ${path.slice(0, 80)}`)
    return bytes
  }

  proofFile(index: number, since?: number): ProofFile {
    const { log, keys, network, cosignatures } = this.#needs
    const { certificate } = keys.log
    const checkpoint = this.checkpoint()
    const size = sizeOf(checkpoint)
    const { hashes: inclusion } = this.inclusion(index, size)
    const { siblings, peaks } = log.mmrInclusion(index, size)
    const witnesses = cosignatures(this.origin, size).map((one) => one.certificate)
    return {
      type: 'log_proof',
      format: 1,
      network,
      provider_id: keys.providerId,
      certificate,
      checkpoint,
      ...(witnesses.length === 0 ? {} : { witnesses }),
      leaf: toBase64Url(log.leaf(index)!),
      log_index: index,
      tree_size: size,
      inclusion,
      mmr: { siblings: siblings.map(toHex), peaks: peaks.map(toHex) },
      ...(since === undefined
        ? {}
        : {
            older: {
              certificate,
              checkpoint: this.checkpointAt(since),
              consistency: this.consistency(since, size).hashes,
            },
          }),
    }
  }

  #witnessed(note: string): string {
    const lines = this.#needs.cosignatures(this.origin, sizeOf(note)).map(({ line }) => line)
    return withLines(note, lines)
  }
}

/** The second line of a checkpoint. */
export const sizeOf = (note: string): number => Number(note.split('\n', 2)[1])

function within<Result>(prove: () => Result): Result {
  try {
    return prove()
  } catch (error) {
    throw error instanceof RangeError ? absent(error.message) : error
  }
}

const absent = (message: string): ProviderError => new ProviderError('PROV_001', message, { status: 404 })
