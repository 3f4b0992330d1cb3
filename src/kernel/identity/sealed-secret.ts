import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { Base64Url } from '../../../protocol/fields.ts'
import { concatBytes, fromBase64Url, toBase64Url, utf8 } from '../base/bytes.ts'
import { StartError } from '../base/errors.ts'
import { createPrivateFile, readPrivateJson } from './private-file.ts'

/** AES-256-GCM (NIST SP 800-38D): a key of 32 bytes, a random nonce of 12, a tag of 16. */
const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const FILE = 'secrets.key'

const SecretsFile = Type.Object({ format: Type.Literal(1), key: Base64Url }, { additionalProperties: false })
type SecretsFile = Static<typeof SecretsFile>
const secretsFile = Compile(SecretsFile)

/** Seals secrets that the store keeps for others, so that a copy of the data directory alone shows none. */
export interface SecretSeal {
  /** base64url. `purpose` says what the secret is and whose: only with the same words does it open. */
  seal(secret: Uint8Array, purpose: string): string
  /** Throws for what was sealed with another key or for another purpose, or was changed since. */
  open(sealed: string, purpose: string): Uint8Array
}

/**
 * The seal of the key in `secrets.key` of the key directory, which is made when it is missing. Throws `StartError` when it is corrupt, or when
 * others may read it.
 */
export function openSecretSeal(keyDirectory: string): SecretSeal {
  const path = join(keyDirectory, FILE)
  if (!existsSync(path)) {
    const file: SecretsFile = { format: 1, key: toBase64Url(randomBytes(KEY_BYTES)) }
    createPrivateFile(path, `${JSON.stringify(file, null, 2)}\n`)
  }
  return sealWith(keyOf(path, readPrivateJson(path, secretsFile).key))
}

function keyOf(path: string, text: string): Uint8Array {
  let key: Uint8Array | undefined
  try {
    key = fromBase64Url(text)
  } catch {
    // What it says would quote the file.
  }
  if (key?.length !== KEY_BYTES)
    throw new StartError(`${path} is corrupt: its key is not base64url of ${KEY_BYTES} bytes`)
  return key
}

const sealWith = (key: Uint8Array): SecretSeal => ({
  seal(secret, purpose) {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(utf8(purpose))
    return toBase64Url(concatBytes([nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()]))
  },
  open(sealed, purpose) {
    const bytes = fromBase64Url(sealed)
    const end = bytes.length - TAG_BYTES
    if (end < NONCE_BYTES) throw new TypeError('a sealed secret is too short')
    const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    decipher.setAAD(utf8(purpose))
    decipher.setAuthTag(bytes.subarray(end))
    return new Uint8Array(concatBytes([decipher.update(bytes.subarray(NONCE_BYTES, end)), decipher.final()]))
  },
})
