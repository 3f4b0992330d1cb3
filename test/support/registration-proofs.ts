import type { RegistrationProof } from '../../protocol/cells.ts'
import type { LoggedAct } from '../../protocol/log.ts'
import { toBase64Url, toHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import { providerIdOf } from '../../src/kernel/identity/ids.ts'
import { ed25519FromSeed, newSeed } from '../../src/kernel/identity/keys.ts'
import { issueRoleCertificate } from '../../src/kernel/identity/role-certificate.ts'
import { logOrigin, signCheckpoint } from '../../src/kernel/log/checkpoint.ts'
import { naiveInclusion, naiveLeaf, naiveRoot } from '../kernel/log/naive-tree.ts'

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
  /** That the leaf is the one before the last of `size`. */
  const prove = (leaf: object, size = 5): RegistrationProof => {
    const bytes = utf8(canonicalJson(leaf))
    const index = size - 2
    const leaves = Array.from({ length: size }, (_, at) => naiveLeaf(at === index ? bytes : utf8(`leaf ${at}`)))
    const checkpoint = { origin: logOrigin(providerId), size, root: naiveRoot(leaves) }
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
  return { providerId, certificate, prove }
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
