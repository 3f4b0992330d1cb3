import { hkdfSync, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Static, Type } from 'typebox'
import { Base64Url } from '../../../protocol/fields.ts'
import { fromBase64Url, toBase64Url, utf8 } from '../base/bytes.ts'
import { checkerOf } from '../base/checker.ts'
import { StartError } from '../base/errors.ts'
import { AES_KEY_BYTES, seal, unseal } from './aes-gcm.ts'
import { createPrivateFile, readPrivateJson } from './private-file.ts'

const FILE = 'secrets.key'

const SecretsFile = Type.Object({ format: Type.Literal(1), key: Base64Url }, { additionalProperties: false })
type SecretsFile = Static<typeof SecretsFile>
const secretsFile = checkerOf(SecretsFile)

/** Seals secrets that the store keeps for others, so that a copy of the data directory alone shows none. */
export interface SecretSeal {
  /** base64url. `purpose` says what the secret is and whose: only with the same words does it open. */
  seal(secret: Uint8Array, purpose: string): string
  /** Throws for what was sealed with another key or for another purpose, or was changed since. */
  open(sealed: string, purpose: string): Uint8Array
  /** A key for something else, of 32 bytes, which does not tell this one (HKDF-SHA-256, RFC 5869). */
  derive(purpose: string): Uint8Array
}

/**
 * The seal of the key in `secrets.key` of the key directory, which is made when it is missing. Throws `StartError` when it is corrupt, or when
 * others may read it.
 */
export function openSecretSeal(keyDirectory: string): SecretSeal {
  const path = join(keyDirectory, FILE)
  if (!existsSync(path)) {
    const file: SecretsFile = { format: 1, key: toBase64Url(randomBytes(AES_KEY_BYTES)) }
    createPrivateFile(path, `${JSON.stringify(file, null, 2)}\n`)
  }
  return sealWith(keyOf(path, readPrivateJson(path, secretsFile).key))
}

/** The key that `text` of the file at `path` is. Throws `StartError` for what is none. */
export function keyOf(path: string, text: string): Uint8Array {
  let key: Uint8Array | undefined
  try {
    key = fromBase64Url(text)
  } catch {
    // What it says would quote the file.
  }
  if (key?.length !== AES_KEY_BYTES)
    throw new StartError(`${path} is corrupt: its key is not base64url of ${AES_KEY_BYTES} bytes`)
  return key
}

/** The seal of a key of 32 bytes. */
export const sealWith = (key: Uint8Array): SecretSeal => ({
  seal: (secret, purpose) => toBase64Url(seal(key, secret, utf8(purpose))),
  open: (sealed, purpose) => new Uint8Array(unseal(key, fromBase64Url(sealed), utf8(purpose))),
  derive: (purpose) => new Uint8Array(hkdfSync('sha256', key, EMPTY, utf8(purpose), AES_KEY_BYTES)),
})

const EMPTY = new Uint8Array()
