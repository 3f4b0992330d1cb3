import { CONTEXTS } from '../../protocol/contexts.ts'
import type {
  Contribution,
  ContributionAnnounce,
  ContributionPack,
  ContributionResult,
} from '../../protocol/contribution.ts'
import { contributionId, extrasOf, packHash, recordText } from '../../src/domain/goals/contribution-record.ts'
import { toBase64Url, toHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { sha256Hex } from '../../src/kernel/base/hash.ts'
import { nodeIdOf, providerIdOf } from '../../src/kernel/identity/ids.ts'
import { ed25519FromSeed, signObject } from '../../src/kernel/identity/keys.ts'
import { NETWORK, namedSeed } from './seeds.ts'

/** A pack and its hash. */
export interface PackHashCase {
  readonly version: string
  /** base64url. */
  readonly parameters: string
  readonly pack_hash: string
}

/** A contribution, the message that announces it, and what both are made of. */
export interface ContributionVector {
  readonly about: string
  readonly network: string
  readonly packs: readonly PackHashCase[]
  readonly contributor_seed: string
  readonly identity_seed: string
  readonly pack: ContributionPack
  readonly result: ContributionResult
  readonly contribution: Contribution
  readonly contribution_id: string
  /** In the set of its goal. */
  readonly record_id: string
  readonly announce: ContributionAnnounce
}

/** One contribution with fixed keys. */
export function contributionVectors(): ContributionVector {
  const contributorSeed = namedSeed('contributor')
  const contributor = ed25519FromSeed(contributorSeed)
  const identitySeed = namedSeed('identity')
  const identity = ed25519FromSeed(identitySeed)
  const pack: ContributionPack = {
    version: '1.0',
    parameters: toBase64Url(utf8('Hello World')),
    metadata: { strategy: 'momentum' },
  }
  const result: ContributionResult = { score: 1.146, metrics: { reward: 1.2, risk: 0.1, complexity: 0.4 } }
  const unsigned = {
    type: 'contribution',
    goal: sha256Hex('cytoplex vectors: goal'),
    contributor_id: nodeIdOf(contributor.publicKey),
    pack_hash: packHash(pack),
    extras: extrasOf(pack)!,
    public_key: toBase64Url(contributor.publicKey),
  } as const
  const contribution: Contribution = {
    ...unsigned,
    signature: signObject(contributor, NETWORK, CONTEXTS.contribution, unsigned),
  }
  const announce = {
    type: 'contribution_announce',
    sender_id: providerIdOf(identity.publicKey),
    timestamp: Date.UTC(2026, 0, 31, 12),
    nonce: 'AAECAwQFBgcICQoLDA0ODw',
    contribution,
    result,
  } as const
  return {
    about:
      'pack_hash = SHA-256(u64be(length of version) || version || u64be(length of parameters) || parameters). extras = SHA-256 of the ' +
      'RFC 8785 bytes of {metadata, proofs}. contribution_id = SHA-256 of the RFC 8785 bytes of the contribution, signature included; ' +
      'record_id = SHA-256 of those of {contribution, pack}. The announcement is signed by ' +
      "the sender's identity (context contribution-announce). Seeds are hexadecimal.",
    network: NETWORK,
    packs: [
      ['1', '0abc'],
      ['10', 'abc'],
      ['1.0', ''],
    ].map(([version = '', text = '']) => {
      const parameters = toBase64Url(utf8(text))
      return { version, parameters, pack_hash: packHash({ version, parameters }) }
    }),
    contributor_seed: toHex(contributorSeed),
    identity_seed: toHex(identitySeed),
    pack,
    result,
    contribution,
    contribution_id: contributionId(contribution),
    record_id: sha256Hex(recordText({ contribution, pack })),
    announce: { ...announce, signature: signObject(identity, NETWORK, CONTEXTS.contributionAnnounce, announce) },
  }
}
