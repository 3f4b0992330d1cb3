import type { RegistrationProof } from '../../protocol/cells.ts'
import { CONTEXTS } from '../../protocol/contexts.ts'
import type { ConsistencyProof, LoggedAct } from '../../protocol/log.ts'
import type { EpochRecord } from '../../protocol/transparency.ts'
import { toBase64Url, toHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import { providerIdOf } from '../../src/kernel/identity/ids.ts'
import { ed25519FromSeed, newSeed, signObject } from '../../src/kernel/identity/keys.ts'
import { issueRoleCertificate } from '../../src/kernel/identity/role-certificate.ts'
import { logOrigin, signCheckpoint } from '../../src/kernel/log/checkpoint.ts'
import { naiveConsistency, naiveInclusion, naiveLeaf, naiveRoot } from '../kernel/log/naive-tree.ts'

const DAY_MS = 24 * 3600 * 1000

/** A provider with a log of its own, whose proofs a test may bend. */
export function loggingProvider(network: string) {
  const identity = ed25519FromSeed(newSeed())
  const key = ed25519FromSeed(newSeed())
  const providerId = providerIdOf(identity.publicKey)
  const certificate = issueRoleCertificate({
    identity,
    network,
    role: 'log',
    publicKey: key.publicKey,
    serial: 1,
    notBefore: Date.now() - DAY_MS,
    notAfter: Date.now() + DAY_MS,
  })
  const leavesOf = (leaf: object, size: number, index: number) => {
    const bytes = utf8(canonicalJson(leaf))
    return Array.from({ length: size }, (_, at) => naiveLeaf(at === index ? bytes : utf8(`leaf ${at}`)))
  }
  /** That the leaf is one of `size`, the one before the last unless told otherwise. */
  const prove = (leaf: object, size = 5, index = size - 2, epoch = 1): RegistrationProof => {
    const bytes = utf8(canonicalJson(leaf))
    const leaves = leavesOf(leaf, size, index)
    const checkpoint = { origin: logOrigin(providerId, undefined, epoch), size, root: naiveRoot(leaves) }
    return {
      provider_id: providerId,
      certificate,
      evidence: {
        leaf: toBase64Url(bytes),
        inclusion: {
          log_index: index,
          tree_size: size,
          leaf_hash: toHex(leaves[index]!),
          hashes: naiveInclusion(index, leaves).map(toHex),
        },
        checkpoint: signCheckpoint(checkpoint, key),
      },
    }
  }
  /** That the log of `to` leaves, with the leaf at `index`, begins with its first `from`. */
  const consistency = (leaf: object, index: number, from: number, to: number): ConsistencyProof => ({
    from,
    to,
    hashes: naiveConsistency(from, leavesOf(leaf, to, index)).map(toHex),
  })
  /** The statement that opens an epoch with the first `size` leaves, after one of which `checkpoint` is known. */
  const openEpoch = (leaf: object, index: number, epoch: number, size: number, checkpoint: string): EpochRecord => {
    const unsigned = {
      type: 'epoch' as const,
      provider_id: providerId,
      epoch,
      at: '2026-01-01T00:00:00.000Z',
      size,
      root: toHex(naiveRoot(leavesOf(leaf, size, index))),
      superseded: { certificate, checkpoint },
    }
    return { ...unsigned, signature: signObject(identity, network, CONTEXTS.logEpoch, unsigned) }
  }
  return { providerId, certificate, prove, consistency, openEpoch }
}

/** What a log says of the registration of a cell. */
export const registered = (cellId: string): LoggedAct => ({
  act: 'register',
  cell_id: cellId,
  cell_type: 'parser',
  version: '1.2.0',
  publisher: 'a'.repeat(64),
  digest: `sha256:${'b'.repeat(64)}`,
  at: '2026-01-01T00:00:00.000Z',
})
