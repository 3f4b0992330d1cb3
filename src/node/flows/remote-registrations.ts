import { ASSURANCE_LIMITS, type RemoteSourceProof } from '../../../protocol/assurance.ts'
import type { RegistrationProof } from '../../../protocol/cells.ts'
import type { CellRecord } from '../../domain/cells/records.ts'
import { BudgetMap } from '../../kernel/base/budget-map.ts'
import { fromBase64Url } from '../../kernel/base/bytes.ts'
import { parseStrictJson } from '../../kernel/base/strict-json.ts'
import type { NodeParts } from '../parts.ts'
import { registrationProof } from './registration-proof.ts'

/** Milliseconds that all proofs of one answer may take: its reader waits. */
const DEADLINE_MS = 2000
/** Providers that are asked for one cell: where the copy came from, and who announces that it registered it. */
const ASKED = 4
/** Proofs that are kept, of a few kilobytes each, and failures: as many cells as are cited again and again. */
const KEPT = 1000
/** Milliseconds for which a cell without a proof is not asked about again. */
const PAUSE_MS = 60_000

type Parts = Pick<NodeParts, 'clock' | 'config' | 'logger' | 'network' | 'index' | 'directory'>

/** Proofs that other nodes registered the cells that this one has copies of. What was registered once stays so: a proof is asked for once. */
export class RemoteRegistrations {
  readonly #parts: Parts
  readonly #proofs = new BudgetMap<string, RemoteSourceProof>(KEPT)
  /** Unix milliseconds from which on a cell is asked about again. */
  readonly #pauses = new BudgetMap<string, number>(KEPT)

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** The proofs that can be had, by cell id. Never throws. */
  async of(cellIds: readonly string[], caller: AbortSignal): Promise<ReadonlyMap<string, RemoteSourceProof>> {
    const signal = AbortSignal.any([caller, AbortSignal.timeout(DEADLINE_MS)])
    const found = new Map<string, RemoteSourceProof>()
    await Promise.all(
      cellIds.map(async (id) => {
        const proof = this.#proofs.get(id) ?? (await this.#ask(id, signal))
        if (proof !== undefined) found.set(id, proof)
      }),
    )
    return found
  }

  async #ask(id: string, signal: AbortSignal): Promise<RemoteSourceProof | undefined> {
    const { clock, index } = this.#parts
    if ((this.#pauses.get(id) ?? 0) > clock.now()) return undefined
    const cell = index.get(id)
    if (cell?.origin !== 'cached') return undefined
    for (const provider of this.#providers(cell)) {
      if (signal.aborted) return undefined
      const registration = await registrationProof(this.#parts, provider, id, signal)
      const proof = registration && sourceProof(cell, registration)
      if (proof === undefined) continue
      this.#proofs.set(id, proof)
      return proof
    }
    // Who gave up early has not learnt that there is none.
    if (!signal.aborted) this.#pauses.set(id, clock.now() + PAUSE_MS)
    return undefined
  }

  #providers({ id, source, manifest }: CellRecord): Iterable<string> {
    const providers = new Set([source])
    for (const { provider, cell } of this.#parts.directory.find('cell_type', manifest.cell_type)) {
      if (providers.size === ASKED) break
      if (cell.manifest_digest === id && cell.copy !== true) providers.add(provider)
    }
    return providers
  }
}

/** The proof as answers carry it; undefined where its log says something else of the cell than its manifest, or says it at too great length. */
function sourceProof({ id, manifest }: CellRecord, proof: RegistrationProof): RemoteSourceProof | undefined {
  const { provider_id, certificate, evidence } = proof
  const { leaf, inclusion } = evidence
  const checkpoint = withoutWitnesses(evidence.checkpoint)
  if (checkpoint.length > ASSURANCE_LIMITS.remoteNote || leaf.length > ASSURANCE_LIMITS.remoteNote) return undefined
  const act = parseStrictJson(fromBase64Url(leaf)) as Record<string, unknown>
  const { cell_type, version, publisher, package: held } = manifest
  const said = { cell_type, version, publisher, digest: held.digest }
  if (Object.entries(said).some(([name, value]) => act[name] !== value)) return undefined
  const { log_index, tree_size, hashes } = inclusion
  return { cell_id: id, provider_id, certificate, checkpoint, tree_size, leaf, log_index, inclusion: hashes }
}

/** A signed note with the lines of its log alone: whose witnesses would count, its reader does not know. */
function withoutWitnesses(note: string): string {
  const [text = '', lines = ''] = note.split('\n\n', 2)
  const origin = text.slice(0, text.indexOf('\n'))
  const own = lines.split('\n').filter((line) => line.startsWith(`\u2014 ${origin} `))
  return `${text}\n\n${own.join('\n')}\n`
}
