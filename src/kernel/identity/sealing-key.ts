import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { concatBytes, fromBase64Url, toBase64Url, utf8 } from '../base/bytes.ts'
import { StartError } from '../base/errors.ts'
import { createPrivateFile, readPrivateJson } from './private-file.ts'

const SealingKeyFile = Type.Object(
  { format: Type.Literal(1), key: Type.String({ pattern: '^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$' }) },
  { additionalProperties: false },
)
const schema = Compile(SealingKeyFile)

const FILE = 'sealing.json'
const ALGORITHM = 'aes-256-gcm'
const KEY_BYTES = 32
/** Of a random nonce: NIST SP 800-38D allows 2^32 values under one key. */
const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * Seals small secrets of the store (AES-256-GCM) under a key that is in the key directory, so that neither the data directory nor a backup of it
 * gives them away. The key is made when the first secret is sealed.
 */
export class SealingKey {
  readonly #path: string
  #key: KeyObject | undefined

  /** Reads the key in `directory`, where there is one. Throws `StartError` when it is corrupt or others may read it. */
  constructor(directory: string) {
    this.#path = join(directory, FILE)
    if (existsSync(this.#path)) this.#key = imported(readPrivateJson(this.#path, schema))
  }

  /** base64url. `purpose` says what the secret is and whose: only with the same words does it open. */
  seal(secret: Uint8Array, purpose: string): string {
    this.#key ??= this.#create()
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(utf8(purpose))
    return toBase64Url(concatBytes([nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()]))
  }

  /** Throws where the key is another one or missing, or what was sealed is damaged or was sealed as something else. */
  open(sealed: string, purpose: string): Uint8Array {
    if (this.#key === undefined) throw new StartError(`${this.#path} does not exist`)
    const bytes = fromBase64Url(sealed)
    const tagAt = bytes.length - TAG_BYTES
    if (tagAt < NONCE_BYTES) throw new TypeError('a sealed secret is too short')
    const nonce = bytes.subarray(0, NONCE_BYTES)
    const decipher = createDecipheriv(ALGORITHM, this.#key, nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(utf8(purpose))
    decipher.setAuthTag(bytes.subarray(tagAt))
    return new Uint8Array(concatBytes([decipher.update(bytes.subarray(NONCE_BYTES, tagAt)), decipher.final()]))
  }

  #create(): KeyObject {
    const file: Static<typeof SealingKeyFile> = { format: 1, key: toBase64Url(randomBytes(KEY_BYTES)) }
    createPrivateFile(this.#path, `${JSON.stringify(file, null, 2)}\n`)
    return imported(file)
  }
}

const imported = ({ key }: Static<typeof SealingKeyFile>): KeyObject => createSecretKey(fromBase64Url(key))
