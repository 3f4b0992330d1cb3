import {
  type AnchorReceipt,
  type AnswerLog,
  ASSURANCE_ERRORS,
  ASSURANCE_LIMITS,
  type AssuranceError,
} from '../../../protocol/assurance.ts'
import { proveAnswer } from '../../domain/assurance/prover.ts'
import { toBase64Url, toHex } from '../../kernel/base/bytes.ts'
import type { Answered, ProofOrder, Proven, Prover } from '../assurance-api.ts'
import type { NodeParts } from '../parts.ts'
import type { AnchoredLog } from './anchor-logs.ts'
import type { LogProofs } from './log-proofs.ts'
import { sizeOf } from './log-reader.ts'
import type { ProofKeyring } from './proof-keys.ts'
import type { RemoteRegistrations } from './remote-registrations.ts'

interface Parts extends Pick<NodeParts, 'store' | 'log' | 'cellLog'> {
  readonly keys: Pick<NodeParts['keys'], 'log'>
  readonly config: Pick<NodeParts['config'], 'network'>
}

/** What a prover works with. */
export interface ProverNeeds {
  readonly keyring: Pick<ProofKeyring, 'key'>
  readonly proofs: Pick<LogProofs, 'witnessed' | 'inclusion' | 'consistency'>
  /** Names of the anchors of this node, and what each keeps of its own log. */
  readonly anchors: () => readonly AnchoredLog[]
  /** What others prove of cells that this node has copies of. */
  readonly remote: Pick<RemoteRegistrations, 'of'>
}

/** What the log of this node proves of an answer, with those of others, and what they do not. */
interface Evidence {
  readonly log: AnswerLog | undefined
  /** What is missing, in words. */
  readonly missing: readonly string[]
}

/**
 * Proves answers, in the modes `strict` and `audit` with what the node's log proves of their sources, and those of others of the copies among them.
 * What cannot be proven makes the answer `partial`, with an error 602.
 */
export class AnswerProver implements Prover {
  readonly #parts: Parts
  readonly #needs: ProverNeeds

  constructor(parts: Parts, needs: ProverNeeds) {
    this.#parts = parts
    this.#needs = needs
  }

  async prove(
    { request, answered, responseId, timestamp, processingMs }: ProofOrder,
    signal: AbortSignal,
  ): Promise<Proven> {
    const { verification_mode: mode = 'standard' } = request.payload
    const { log, missing } = mode === 'standard' ? NOTHING : await this.#evidence(answered, mode === 'audit', signal)
    const { metadata } = answered.payload
    const status = missing.length > 0 && answered.status === 'success' ? 'partial' : answered.status
    const errors = [...answered.errors, ...missing.map(unavailable)]
    const response = {
      request_id: request.request_id,
      response_id: responseId,
      timestamp,
      status,
      payload: { ...answered.payload, metadata: { ...metadata, processing_time_ms: processingMs } },
      errors,
    }
    const { steps } = answered
    const proof = proveAnswer(this.#needs.keyring.key(), this.#parts.config.network.name, {
      request,
      steps,
      response,
      log,
    })
    return { status, errors, proof }
  }

  /** What the log of this node says of the cited cells, at one checkpoint; of those that are not in it, what the logs of others say. */
  async #evidence({ payload }: Answered, isAudit: boolean, signal: AbortSignal): Promise<Evidence> {
    const { store, log, cellLog, keys } = this.#parts
    const { proofs, remote } = this.#needs
    const cited = [...new Set(payload.citations.map((citation) => citation.cell_id))]
    const copies = cited.filter((cell) => cellLog.indexOf(store, cell) === undefined)
    // A node that answers has approved a publisher, which is in its log: without a leaf there is nothing to put them into.
    const proven = await remote.of(log.size === 0 ? [] : copies, signal)
    const elsewhere = copies.flatMap((cell) => proven.get(cell) ?? [])
    const leaves = cited.flatMap((cell) => {
      const index = cellLog.indexOf(store, cell)
      return index === undefined || proven.has(cell) ? [] : [{ cell, index }]
    })
    const found = new Set([...leaves.map(({ cell }) => cell), ...proven.keys()])
    const missing = cited
      .filter((cell) => !found.has(cell))
      .map((cell) => `the log of this node has no registration of the cell ${cell}, and no other node proves one`)
    if (log.size === 0) return { log: undefined, missing }
    const { checkpoint, witnesses } = proofs.witnessed(Math.max(1, ...leaves.map(({ index }) => index + 1)))
    const size = sizeOf(checkpoint)
    const anchors = isAudit ? this.#receipts(size, missing) : []
    return {
      log: {
        certificate: keys.log.certificate,
        checkpoint,
        tree_size: size,
        witnesses: witnesses.slice(0, ASSURANCE_LIMITS.witnesses),
        sources: leaves.map(({ cell, index }) => ({
          cell_id: cell,
          leaf: toBase64Url(log.leaf(index)!),
          log_index: index,
          inclusion: proofs.inclusion(index, size).hashes,
        })),
        ...(elsewhere.length > 0 ? { elsewhere } : {}),
        ...(isAudit ? { anchors } : {}),
      },
      missing,
    }
  }

  /** What the anchors keep of the log, as far as it is this one. */
  #receipts(size: number, missing: string[]): AnchorReceipt[] {
    const { log } = this.#parts
    const { proofs, anchors } = this.#needs
    const receipts: AnchorReceipt[] = []
    for (const { anchor, committed } of anchors()) {
      // After a restored backup an anchor may keep more than there is here, or something else.
      const isThisLog = committed !== undefined && committed.size <= log.size && this.#isRoot(committed)
      if (!isThisLog) {
        // Peers cosign where there are any; the others are there because the operator wants them.
        if (anchor !== 'peers') missing.push(`the anchor ${anchor} keeps nothing of this log yet`)
      } else if (receipts.length < ASSURANCE_LIMITS.anchors) {
        const { receipt, root, size: kept } = committed
        const { hashes: consistency } = proofs.consistency(Math.min(kept, size), Math.max(kept, size))
        receipts.push({ anchor, receipt, size: kept, root, consistency })
      }
    }
    return receipts
  }

  #isRoot({ size, root }: { readonly size: number; readonly root: string }): boolean {
    return size > 0 && toHex(this.#parts.log.root(size)) === root
  }
}

const NOTHING: Evidence = { log: undefined, missing: [] }

const unavailable = (reason: string): AssuranceError => {
  const { message, severity } = ASSURANCE_ERRORS[602]
  return { code: '602', message: `${message}: ${reason}`, severity }
}
