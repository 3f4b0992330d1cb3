import { CONTEXTS } from '../../protocol/contexts.ts'
import type { EpochRecord, EquivocationRecord } from '../../protocol/transparency.ts'
import { toHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { providerIdOf } from '../../src/kernel/identity/ids.ts'
import { ed25519FromSeed, signObject } from '../../src/kernel/identity/keys.ts'
import { issueRoleCertificate } from '../../src/kernel/identity/role-certificate.ts'
import { logOrigin, signCheckpoint } from '../../src/kernel/log/checkpoint.ts'
import { cosign, witnessKey } from '../../src/kernel/log/cosignature.ts'
import { logRecordId, logRecordText } from '../../src/kernel/log/log-record.ts'
import { formatNoteKey } from '../../src/kernel/log/note.ts'
import { naiveConsistency, naiveLeaf, naiveRoot } from '../../test/kernel/log/naive-tree.ts'
import { NETWORK, namedSeed } from './seeds.ts'

/** A statement, and what it proves; null where it proves nothing. */
export interface LogRecordCase<Verdict> {
  readonly about: string
  /** The statement's text, which is RFC 8785. */
  readonly text: string
  /** SHA-256 of the text. */
  readonly id: string
  readonly verdict: Verdict | null
}

/** A checkpoint, and the line by which a witness cosigns it. */
export interface CosignatureCase {
  readonly checkpoint: string
  readonly seconds: number
  readonly vkey: string
  readonly line: string
}

const DAY_MS = 24 * 3600 * 1000
const NOT_BEFORE = 1_800_000_000_000

const identity = ed25519FromSeed(namedSeed('log records: identity'))
const providerId = providerIdOf(identity.publicKey)

function logKey(name: string, serial: number) {
  const key = ed25519FromSeed(namedSeed(`log records: ${name}`))
  const certificate = issueRoleCertificate({
    identity,
    network: NETWORK,
    role: 'log',
    publicKey: key.publicKey,
    serial,
    notBefore: NOT_BEFORE,
    notAfter: NOT_BEFORE + DAY_MS,
  })
  return { key, certificate }
}

const usual = logKey('log', 1)
const other = logKey('another log key', 2)

/** Leaves of a history: the first two are the same in both. */
const leaves = (history: string, size: number): Uint8Array[] =>
  Array.from({ length: size }, (_, i) => naiveLeaf(utf8(i < 2 ? `leaf ${i}` : `${history} ${i}`)))
const rootOf = (history: string, size: number): string => toHex(naiveRoot(leaves(history, size)))
const proofOf = (history: string, from: number, to: number) => ({
  from_root: rootOf(history, from),
  hashes: naiveConsistency(from, leaves(history, to)).map(toHex),
})

function noted(history: string, size: number, { key, certificate } = usual, origin = logOrigin(providerId)) {
  return { certificate, checkpoint: signCheckpoint({ origin, size, root: naiveRoot(leaves(history, size)) }, key) }
}

const evidence = (parts: Pick<EquivocationRecord, 'first' | 'second' | 'proof'>): EquivocationRecord => ({
  type: 'equivocation',
  provider_id: providerId,
  ...parts,
})

function epoch(change: Partial<EpochRecord> = {}, signer = identity): EpochRecord {
  const unsigned = {
    type: 'epoch' as const,
    provider_id: providerId,
    epoch: 2,
    at: '2027-01-15T08:00:00.000Z',
    size: 3,
    root: rootOf('a', 3),
    superseded: noted('a', 5),
    ...change,
  }
  return { ...unsigned, signature: signObject(signer, NETWORK, CONTEXTS.logEpoch, unsigned) }
}

/** Statements about logs, and cosignatures. */
export function logRecordVectors() {
  const equivocation = (about: string, record: EquivocationRecord, sizes: [number, number] | null) => {
    const text = logRecordText(record)
    const verdict = sizes && { origin: logOrigin(providerId), sizes }
    return { about, text, id: logRecordId(text), verdict }
  }
  const opening = (about: string, record: EpochRecord, superseded: string | null) => {
    const text = logRecordText(record)
    return { about, text, id: logRecordId(text), verdict: superseded }
  }
  const foreign = ed25519FromSeed(namedSeed('log records: somebody else'))
  const witness = ed25519FromSeed(namedSeed('log records: witness'))
  const name = witnessKey(providerId, witness.publicKey)
  const { checkpoint } = noted('a', 5)
  const seconds = 1_800_000_000
  return {
    about:
      `Statements about logs in the network "${NETWORK}". The verdict on evidence is the origin and both sizes, that on an epoch the origin of the ` +
      'checkpoint that it supersedes; null: it proves nothing. Certificates are not judged by the time.',
    equivocations: [
      equivocation('one size, two roots', evidence({ first: noted('a', 5), second: noted('b', 5) }), [5, 5]),
      equivocation(
        'one size, two roots, signed by two keys of the node',
        evidence({ first: noted('a', 5), second: noted('b', 5, other) }),
        [5, 5],
      ),
      equivocation(
        'two sizes, and a proof from another root than the first has',
        evidence({ first: noted('a', 5), second: noted('b', 7), proof: proofOf('b', 5, 7) }),
        [5, 7],
      ),
      equivocation(
        'the same from a perfect tree, whose root is not among the hashes',
        evidence({ first: noted('a', 4), second: noted('b', 7), proof: proofOf('b', 4, 7) }),
        [4, 7],
      ),
      equivocation('one size, one root', evidence({ first: noted('a', 5), second: noted('a', 5, other) }), null),
      equivocation('two sizes without a proof', evidence({ first: noted('a', 5), second: noted('b', 7) }), null),
      equivocation(
        'a proof that both agree',
        evidence({ first: noted('a', 5), second: noted('a', 7), proof: proofOf('a', 5, 7) }),
        null,
      ),
      equivocation(
        'a proof that does not lead to the second',
        evidence({ first: noted('a', 5), second: noted('a', 7), proof: proofOf('b', 5, 7) }),
        null,
      ),
      equivocation(
        'the larger one first',
        evidence({ first: noted('b', 7), second: noted('a', 5), proof: proofOf('b', 5, 7) }),
        null,
      ),
      equivocation(
        'two epochs',
        evidence({ first: noted('a', 5), second: noted('b', 5, usual, logOrigin(providerId, undefined, 2)) }),
        null,
      ),
      equivocation(
        'one of them signed by a key that is not certified',
        evidence({
          first: noted('a', 5),
          second: { ...noted('b', 5, other), certificate: usual.certificate },
        }),
        null,
      ),
    ] satisfies LogRecordCase<{ origin: string; sizes: [number, number] }>[],
    epochs: [
      opening('the second epoch', epoch(), logOrigin(providerId)),
      opening(
        'the third epoch',
        epoch({ epoch: 3, superseded: noted('a', 5, usual, logOrigin(providerId, undefined, 2)) }),
        logOrigin(providerId, undefined, 2),
      ),
      opening('signed by somebody else', epoch({}, foreign), null),
      opening('supersedes a checkpoint of another epoch than the one before', epoch({ epoch: 3 }), null),
      opening(
        "supersedes a checkpoint of a goal's log",
        epoch({ superseded: noted('a', 5, usual, logOrigin(providerId, 'GOAL')) }),
        null,
      ),
    ] satisfies LogRecordCase<string>[],
    cosignatures: [
      { checkpoint, seconds, vkey: formatNoteKey(name), line: cosign(checkpoint, name, witness, seconds) },
    ] satisfies CosignatureCase[],
  }
}
