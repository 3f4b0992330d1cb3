import { LIMITS } from '../../../protocol/limits.ts'
import { fromBase64Url } from '../../kernel/base/bytes.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { witnessKey } from '../../kernel/log/cosignature.ts'
import { formatNoteKey } from '../../kernel/log/note.ts'
import type { ProviderNode } from '../api.ts'
import type { NodeParts } from '../parts.ts'
import type { Cosignatures } from './cosignatures.ts'
import type { LogEpochs } from './log-epochs.ts'
import type { LogProofs } from './log-proofs.ts'
import { registrationProof } from './registration-proof.ts'
import type { LogWatcher } from './watch-logs.ts'
import type { LogWitness } from './witness-logs.ts'

/** Milliseconds that another node has to prove a registration. */
const PROOF_MS = 10_000
/** Suspended nodes that are listed: those that have owed a proof longest. */
const MAX_SUSPENDED = 1000

/** What speaks of logs. */
interface Sources {
  readonly proofs: LogProofs
  readonly epochs: LogEpochs
  readonly cosignatures: Cosignatures
  readonly watcher: LogWatcher
  readonly witness: LogWitness
}

/** The node's own log, and what it knows of others', for its doors. */
export function nodeLog(
  parts: Pick<NodeParts, 'clock' | 'config' | 'directory' | 'index' | 'keys' | 'knownLogs' | 'logger' | 'network'>,
  { proofs, epochs, cosignatures, watcher, witness }: Sources,
): ProviderNode['log'] {
  const { directory, index, keys, knownLogs } = parts
  /** Others than those that this node has heard of are not looked for. */
  const isKnown = (provider: string): boolean =>
    knownLogs.newest(provider) !== undefined || directory.cellsOf(provider) > 0
  const key = (provider: string, publicKey: Uint8Array) => {
    const key = witnessKey(provider, publicKey)
    return { provider_id: provider, name: key.name, vkey: formatNoteKey(key) }
  }
  return {
    checkpoint: () => proofs.checkpoint(),
    inclusion: (index, size) => proofs.inclusion(index, size),
    consistency: (from, to) => proofs.consistency(from, to),
    tile: (path) => proofs.tile(path),
    registration: async (cellId, provider = keys.providerId) => {
      const own = provider === keys.providerId ? proofs.registration(cellId) : undefined
      const other = provider === keys.providerId ? index.get(cellId)?.source : provider
      const found =
        own ??
        (other !== undefined && isKnown(other)
          ? await registrationProof(parts, other, cellId, AbortSignal.timeout(PROOF_MS))
          : undefined)
      if (found !== undefined) return found
      const message = `${other ?? provider} proves no registration of the cell ${cellId}`
      throw new ProviderError('PROV_001', message, { status: 404 })
    },
    witnesses: () => ({
      self: { ...key(keys.providerId, witness.key.publicKey), certificate: keys.witness.certificate },
      witnesses: cosignatures.list().map(({ provider_id, certificate, size, origin }) => ({
        ...key(provider_id, fromBase64Url(certificate.public_key)),
        certificate,
        size,
        origin,
      })),
    }),
    evidence: async ({ limit = LIMITS.defaultPage, after }) => {
      const { records, next } = await knownLogs.equivocations(limit, after)
      const suspended = knownLogs.suspended().slice(0, MAX_SUSPENDED)
      return {
        equivocations: records,
        next,
        suspended: suspended.map(({ provider, since, reason }) => ({
          provider_id: provider,
          since: new Date(since).toISOString(),
          reason,
        })),
      }
    },
    epochs: ({ provider_id: provider = keys.providerId }) => {
      const list = provider === keys.providerId ? epochs.list() : [...knownLogs.epochs(provider)]
      const epoch = provider === keys.providerId ? epochs.newest : (list.at(-1)?.epoch ?? 1)
      return { provider_id: provider, epoch, epochs: list }
    },
    consistencyOf: (provider, from, to, epoch) => watcher.consistency(provider, from, to, epoch),
  }
}
