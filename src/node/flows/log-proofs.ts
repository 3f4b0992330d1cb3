import type { RegistrationProof } from '../../../protocol/cells.ts'
import type { LogEvidence } from '../../../protocol/log.ts'
import type { RoleCertificate } from '../../../protocol/roles.ts'
import { toBase64Url, toHex } from '../../kernel/base/bytes.ts'
import type { NodeParts } from '../parts.ts'
import type { Cosignatures } from './cosignatures.ts'
import type { LogEpochs } from './log-epochs.ts'
import { LogReader, sizeOf } from './log-reader.ts'

interface Parts extends Pick<NodeParts, 'log' | 'cellLog' | 'store' | 'keys'> {
  readonly config: Pick<NodeParts['config'], 'network'>
}

/** What can be read and proven of the node's own log, and of the cells that were registered in it. */
export class LogProofs extends LogReader {
  readonly #parts: Parts
  readonly #cosignatures: Pick<Cosignatures, 'of' | 'bestSize'>

  constructor(parts: Parts, epochs: Pick<LogEpochs, 'origin'>, cosignatures: Pick<Cosignatures, 'of' | 'bestSize'>) {
    super({
      log: parts.log,
      keys: parts.keys,
      network: parts.config.network.name,
      origin: () => epochs.origin,
      cosignatures: (origin, size) => cosignatures.of(origin, size),
    })
    this.#parts = parts
    this.#cosignatures = cosignatures
  }

  /** What a peer that asks for a consistency proof is told; nothing of another epoch or of leaves that are not here. */
  prove({ origin, from, to }: { origin: string; from: number; to: number }): { from_root?: string; hashes?: string[] } {
    const { log } = this.#parts
    if (origin !== this.origin || from > to || to > log.size) return {}
    return { from_root: toHex(log.root(from)), hashes: log.consistency(from, to).map(toHex) }
  }

  /** All that it takes to verify offline that a cell was registered here; undefined for one that was not. */
  evidence(cellId: string): LogEvidence | undefined {
    const { log, cellLog, store } = this.#parts
    const index = cellLog.indexOf(store, cellId)
    if (index === undefined) return undefined
    const checkpoint = this.#bestWitnessed(index + 1) ?? this.checkpoint()
    // What was appended since then is not in the checkpoint.
    const size = sizeOf(checkpoint)
    return { leaf: toBase64Url(log.leaf(index)!), inclusion: this.inclusion(index, size), checkpoint }
  }

  /** The checkpoint, of at least `least` leaves, that most witnesses cosigned, else the newest; with the certificates of its witnesses. */
  witnessed(least: number): { readonly checkpoint: string; readonly witnesses: readonly RoleCertificate[] } {
    const checkpoint = this.#bestWitnessed(least) ?? this.checkpoint()
    const witnesses = this.#cosignatures.of(this.origin, sizeOf(checkpoint)).map(({ certificate }) => certificate)
    return { checkpoint, witnesses }
  }

  /** The checkpoint, of at least `least` leaves, that most witnesses cosigned; undefined when none did. */
  #bestWitnessed(least: number): string | undefined {
    const size = this.#cosignatures.bestSize(this.origin, least)
    return size === undefined || size > this.#parts.log.size ? undefined : this.checkpointAt(size)
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
