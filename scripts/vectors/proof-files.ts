import { CONTEXTS } from '../../protocol/contexts.ts'
import type { ProofFile } from '../../protocol/proof-file.ts'
import type { Role } from '../../protocol/roles.ts'
import { toBase64Url, toHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import { providerIdOf } from '../../src/kernel/identity/ids.ts'
import { ed25519FromSeed, signObject } from '../../src/kernel/identity/keys.ts'
import { issueRoleCertificate } from '../../src/kernel/identity/role-certificate.ts'
import { logOrigin, signCheckpoint } from '../../src/kernel/log/checkpoint.ts'
import { cosign, withLines, witnessKey } from '../../src/kernel/log/cosignature.ts'
import { peakHeights } from '../../src/kernel/log/tree.ts'
import { naiveConsistency, naiveInclusion, naiveLeaf, naiveRoot } from '../../test/kernel/log/naive-tree.ts'
import { NETWORK, namedSeed } from './seeds.ts'

/** A proof file, and what it proves; null where it is refused. */
export interface ProofFileCase {
  readonly about: string
  /** The file's text. */
  readonly text: string
  readonly verdict: {
    readonly origin: string
    readonly index: number
    readonly size: number
    readonly root: string
    readonly older: { readonly size: number; readonly root: string } | null
    readonly witnesses: readonly string[]
  } | null
}

/** A proof of the kind `ed25519`, and whether it holds under this name. */
export interface AttestationCase {
  readonly about: string
  readonly name: string
  readonly goal: string
  readonly pack_hash: string
  /** The proof's text. */
  readonly proof: string
  readonly holds: boolean
}

const DAY_MS = 24 * 3600 * 1000
const NOT_BEFORE = 1_800_000_000_000

function node(name: string) {
  const identity = ed25519FromSeed(namedSeed(`proof files: ${name}`))
  const providerId = providerIdOf(identity.publicKey)
  const certified = (role: Role) => {
    const key = ed25519FromSeed(namedSeed(`proof files: ${name}, ${role}`))
    const certificate = issueRoleCertificate({
      identity,
      network: NETWORK,
      role,
      publicKey: key.publicKey,
      serial: 1,
      notBefore: NOT_BEFORE,
      notAfter: NOT_BEFORE + DAY_MS,
    })
    return { key, certificate }
  }
  return { providerId, log: certified('log'), witness: certified('witness') }
}

const provider = node('provider')
const other = node('somebody else')
const witness = node('witness')
const GOAL_LOG = logOrigin(provider.providerId, 'fast')
const PACK_HASH = 'cd'.repeat(32)
const GOAL = 'ab'.repeat(32)

/** Leaves of a history: the first two are the same in both. */
const leafOf = (history: string, index: number): Uint8Array =>
  utf8(
    canonicalJson({
      goal: GOAL,
      pack_hash: index === 4 ? PACK_HASH : 'ef'.repeat(32),
      history: index < 2 ? '' : history,
      index,
    }),
  )
const leaves = (history: string, size: number): Uint8Array[] =>
  Array.from({ length: size }, (_, i) => naiveLeaf(leafOf(history, i)))

const noted = (history: string, size: number, origin = GOAL_LOG, { key } = provider.log): string =>
  signCheckpoint({ origin, size, root: naiveRoot(leaves(history, size)) }, key)

/** The Mountain Range form, from its definition. */
function mmrOf(index: number, hashes: readonly Uint8Array[]): ProofFile['mmr'] {
  let siblings: Uint8Array[] = []
  const peaks: Uint8Array[] = []
  let start = 0
  for (const height of peakHeights(hashes.length)) {
    const subtree = hashes.slice(start, start + 2 ** height)
    if (index >= start && index < start + subtree.length) siblings = naiveInclusion(index - start, subtree)
    else peaks.push(naiveRoot(subtree))
    start += subtree.length
  }
  return { siblings: siblings.map(toHex), peaks: peaks.map(toHex) }
}

function proof(index: number, size: number, change: Partial<ProofFile> = {}): ProofFile {
  const hashes = leaves('a', size)
  return {
    type: 'log_proof',
    format: 1,
    network: NETWORK,
    provider_id: provider.providerId,
    certificate: provider.log.certificate,
    checkpoint: noted('a', size),
    leaf: toBase64Url(leafOf('a', index)),
    log_index: index,
    tree_size: size,
    inclusion: naiveInclusion(index, hashes).map(toHex),
    mmr: mmrOf(index, hashes),
    ...change,
  }
}

const older = (size: number, history = 'a', to = 7): NonNullable<ProofFile['older']> => ({
  certificate: provider.log.certificate,
  checkpoint: noted(history, size),
  consistency: naiveConsistency(size, leaves('a', to)).map(toHex),
})

function cosigned(size: number): Pick<ProofFile, 'checkpoint' | 'witnesses'> {
  const note = noted('a', size)
  const { key, certificate } = witness.witness
  const line = cosign(note, witnessKey(witness.providerId, key.publicKey), key, NOT_BEFORE / 1000)
  return { checkpoint: withLines(note, [line]), witnesses: [certificate] }
}

/** Proof files, and attestations. */
export function proofFileVectors() {
  const text = (file: object): string => canonicalJson(file)
  const holds = (
    about: string,
    file: ProofFile,
    more: { older?: number; witnesses?: string[]; origin?: string } = {},
  ) => ({
    about,
    text: text(file),
    verdict: {
      origin: more.origin ?? GOAL_LOG,
      index: file.log_index,
      size: file.tree_size,
      root: toHex(naiveRoot(leaves('a', file.tree_size))),
      older: more.older === undefined ? null : { size: more.older, root: toHex(naiveRoot(leaves('a', more.older))) },
      witnesses: more.witnesses ?? [],
    },
  })
  const refused = (about: string, file: object) => ({ about, text: text(file), verdict: null })
  const right = proof(4, 7)
  const [first, ...rest] = right.inclusion
  const nodeLog = logOrigin(provider.providerId)
  const { certificate, key } = witness.witness
  const attestation = (signer = key, about: object = { goal: GOAL, pack_hash: PACK_HASH }) =>
    canonicalJson({
      public_key: toBase64Url(signer.publicKey),
      signature: signObject(signer, NETWORK, CONTEXTS.attestation, about),
    })
  const named = `ed25519.${toBase64Url(key.publicKey)}`
  const attested = (about: string, name: string, text: string, isRight: boolean): AttestationCase => ({
    about,
    name,
    goal: GOAL,
    pack_hash: PACK_HASH,
    proof: text,
    holds: isRight,
  })
  return {
    about:
      `Proof files of the network "${NETWORK}", and attestations (proofs of the kind ed25519). verdict null: the file is refused. Certificates are not ` +
      'judged by the time.',
    files: [
      holds('a leaf of a goal', right),
      holds('the only leaf', proof(0, 1)),
      holds('the last leaf, a peak of its own', proof(6, 7)),
      holds("a leaf of the node's own log", proof(4, 7, { checkpoint: noted('a', 7, nodeLog) }), { origin: nodeLog }),
      holds('with an older checkpoint', { ...right, older: older(5) }, { older: 5 }),
      holds(
        'with an older checkpoint of the same size',
        { ...right, older: { ...older(7), consistency: [] } },
        { older: 7 },
      ),
      holds('with a cosignature', { ...right, ...cosigned(7) }, { witnesses: [witness.providerId] }),
      holds('with a cosignature of which nothing is said', { ...right, checkpoint: cosigned(7).checkpoint }),
      refused('another index', { ...right, log_index: 5 }),
      refused('another size', { ...right, tree_size: 8 }),
      refused('another size, signed', { ...right, tree_size: 8, checkpoint: noted('a', 8) }),
      refused('an index at the size', { ...right, log_index: 7 }),
      refused('a hash less', { ...right, inclusion: rest }),
      refused('a hash more', { ...right, inclusion: [...right.inclusion, first] }),
      refused('a peak less', { ...right, mmr: { ...right.mmr, peaks: right.mmr.peaks.slice(1) } }),
      refused('a sibling more', { ...right, mmr: { ...right.mmr, siblings: [...right.mmr.siblings, first] } }),
      refused('another leaf', { ...right, leaf: toBase64Url(leafOf('b', 4)) }),
      refused('another history, signed', { ...right, checkpoint: noted('b', 7) }),
      refused('signed by another key', { ...right, checkpoint: noted('a', 7, GOAL_LOG, other.log) }),
      refused("with somebody else's certificate", { ...right, certificate: other.log.certificate }),
      refused("somebody else's log", { ...right, provider_id: other.providerId, certificate: other.log.certificate }),
      refused('with a certificate for another role', { ...right, certificate: provider.witness.certificate }),
      refused('of another network', { ...right, network: 'another' }),
      refused('an older checkpoint of another history', { ...right, older: older(5, 'b') }),
      refused('an older checkpoint that is newer', {
        ...proof(4, 5),
        older: { ...older(5), checkpoint: noted('a', 7) },
      }),
      refused('an older checkpoint of another log', {
        ...right,
        older: { ...older(5), checkpoint: noted('a', 5, nodeLog) },
      }),
      refused('an older checkpoint without the proof', { ...right, older: { ...older(5), consistency: [] } }),
      refused('a witness who has not signed', { ...right, witnesses: [certificate] }),
      refused('a witness named twice', { ...right, ...cosigned(7), witnesses: [certificate, certificate] }),
      refused('an unknown member', { ...right, comment: 'x' }),
      refused('another type', { ...right, type: 'proof' }),
    ] satisfies ProofFileCase[],
    attestations: [
      attested('by the key that the goal names', named, attestation(), true),
      attested('by another key', named, attestation(other.log.key), false),
      attested('of another pack', named, attestation(key, { goal: GOAL, pack_hash: GOAL }), false),
      attested('in another goal', named, attestation(key, { goal: PACK_HASH, pack_hash: PACK_HASH }), false),
      attested('by no key that was configured', 'ed25519', attestation(), false),
      attested('with an unknown member', named, attestation().replace('{', '{"a":1,'), false),
    ] satisfies AttestationCase[],
  }
}
