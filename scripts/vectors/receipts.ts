import { CONTEXTS } from '../../protocol/contexts.ts'
import type { Receipt } from '../../protocol/receipt.ts'
import { sha256Hex } from '../../src/kernel/base/hash.ts'
import { providerIdOf } from '../../src/kernel/identity/ids.ts'
import { ed25519FromSeed } from '../../src/kernel/identity/keys.ts'
import { signReceipt } from '../../src/kernel/identity/receipt-signature.ts'
import { issueRoleCertificate } from '../../src/kernel/identity/role-certificate.ts'
import { NETWORK, namedSeed } from './seeds.ts'

/** A token, its name, and the receipt in it as of `now`; null when it must be refused. */
export interface ReceiptCase {
  readonly about: string
  readonly network: string
  readonly now: number
  readonly token: string
  /** SHA-256 of the token. */
  readonly id: string
  readonly receipt: Receipt | null
}

/** When everything was signed, Unix milliseconds. */
const AT = Date.UTC(2026, 0, 31, 12)
const HOUR_MS = 3_600_000

const identity = ed25519FromSeed(namedSeed('prober'))
const prober = providerIdOf(identity.publicKey)
const provider = providerIdOf(ed25519FromSeed(namedSeed('probed provider')).publicKey)
const key = ed25519FromSeed(namedSeed('wire of the prober'))

const certificateFor = (role: 'wire' | 'log') =>
  issueRoleCertificate({
    identity,
    network: NETWORK,
    role,
    publicKey: key.publicKey,
    serial: 1,
    notBefore: AT - HOUR_MS,
    notAfter: AT + HOUR_MS,
  })
const wire = { key, certificate: certificateFor('wire') }

const reached: Receipt = {
  provider,
  prober,
  ok: true,
  stage: 'verify',
  at: AT,
  round_trip_ms: 12,
  manifest_digest: 'ab'.repeat(32),
}
const lost: Receipt = { ...reached, ok: false, stage: 'connect', round_trip_ms: null }

function caseOf(about: string, token: string, receipt: Receipt | null, now = AT): ReceiptCase {
  return { about, network: NETWORK, now, token, id: sha256Hex(new TextEncoder().encode(token)), receipt }
}

/** `receipt.json`. */
export function receiptVectors(): { about: string; cases: ReceiptCase[] } {
  const other = { key: ed25519FromSeed(namedSeed('another wire')), certificate: wire.certificate }
  return {
    about: `Receipts, signed by the prober's wire key in the context ${CONTEXTS.receipt}`,
    cases: [
      caseOf('a provider that was reached', signReceipt(wire, NETWORK, reached), reached),
      caseOf('a provider that was not', signReceipt(wire, NETWORK, lost), lost),
      caseOf('another network', signReceipt(wire, 'other', reached), null),
      caseOf('another key than the certified one', signReceipt(other, NETWORK, reached), null),
      caseOf('a key of another role', signReceipt({ key, certificate: certificateFor('log') }, NETWORK, reached), null),
      caseOf(
        "somebody else's name",
        signReceipt(wire, NETWORK, { ...reached, provider: prober, prober: provider }),
        null,
      ),
      caseOf('a provider about itself', signReceipt(wire, NETWORK, { ...reached, provider: prober }), null),
      caseOf('a certificate that has expired', signReceipt(wire, NETWORK, reached), null, AT + 2 * HOUR_MS),
      caseOf('a token with a character too many', `${signReceipt(wire, NETWORK, reached)}A`, null),
    ],
  }
}
