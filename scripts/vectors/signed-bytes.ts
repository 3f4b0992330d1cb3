import { CONTEXTS, type SignatureContext } from '../../protocol/contexts.ts'
import { toBase64Url, toHex } from '../../src/kernel/base/bytes.ts'
import { ed25519FromSeed } from '../../src/kernel/identity/keys.ts'
import { signedBytes } from '../../src/kernel/identity/signed.ts'
import { NETWORK, namedSeed } from './seeds.ts'

/** An object, the bytes that are signed for it, and the signature by the key of the file. */
export interface SignedBytesCase {
  readonly about: string
  readonly network: string
  readonly context: SignatureContext
  readonly object: object
  /** Hexadecimal. */
  readonly bytes: string
  /** base64url. */
  readonly signature: string
}

const plain = { b: [1, true, null], a: 'x' }

/** What is signed for an object, per context and network. */
export function signedBytesVectors(): { about: string; seed: string; public_key: string; cases: SignedBytesCase[] } {
  const seed = namedSeed('signed bytes')
  const key = ed25519FromSeed(seed)
  const signedCase = (about: string, network: string, context: SignatureContext, object: object): SignedBytesCase => {
    const bytes = signedBytes(network, context, object)
    return { about, network, context, object, bytes: toHex(bytes), signature: toBase64Url(key.sign(bytes)) }
  }
  return {
    about:
      'The signed bytes are "cytoplex/<network>/<context>/v1\\n", then the RFC 8785 bytes of the object without its property ' +
      '"signature". Seed, public key and bytes are hexadecimal, signatures base64url (Ed25519).',
    seed: toHex(seed),
    public_key: toHex(key.publicKey),
    cases: [
      ...Object.values(CONTEXTS).map((context) =>
        signedCase(`the same object for ${context}`, NETWORK, context, plain),
      ),
      signedCase('the same object in another network', 'other', CONTEXTS.batch, plain),
      signedCase('the property "signature" is left out', NETWORK, CONTEXTS.announcement, { ...plain, signature: 'x' }),
      signedCase('an inner property "signature" stays', NETWORK, CONTEXTS.announcement, { inner: { signature: 'x' } }),
      signedCase('no properties', NETWORK, CONTEXTS.announcement, {}),
      signedCase('order of UTF-16 code units, and numbers', NETWORK, CONTEXTS.announcement, {
        '\u{1f600}': 1e21,
        '\ufb33': 1e-7,
        ö: -0,
        '\r': 333333333.3333333,
        1: '\u0007\u2028/"\\',
      }),
    ],
  }
}
