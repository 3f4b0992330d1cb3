import { randomBytes, scryptSync } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Static, Type } from 'typebox'
import { Base64Url } from '../../../protocol/fields.ts'
import { fromBase64Url, toBase64Url } from '../base/bytes.ts'
import { checkerOf } from '../base/checker.ts'
import { errorMessage, StartError } from '../base/errors.ts'
import { AES_KEY_BYTES } from './aes-gcm.ts'
import { createPrivateFile, readPrivateJson, replacePrivateFile } from './private-file.ts'
import { keyOf, type SecretSeal, sealWith } from './sealed-secret.ts'

const FILE = 'memory.key'
const PURPOSE = 'the key of memory'
const SALT_BYTES = 16
/** What scrypt (RFC 7914) costs: 128 MiB and some 300 ms, once a start. */
const COST = { N: 2 ** 17, r: 8, p: 1, maxmem: 160 * 1024 * 1024 }
/** Characters of a passphrase at least: what is shorter is guessed faster than scrypt can help. */
const MIN_PASSPHRASE = 12

const closed = { additionalProperties: false } as const
const PlainFile = Type.Object({ format: Type.Literal(1), key: Base64Url }, closed)
/** The same key, sealed with what scrypt makes of a passphrase and this salt. */
const LockedFile = Type.Object({ format: Type.Literal(1), salt: Base64Url, sealed_key: Base64Url }, closed)
const KeyFile = Type.Union([PlainFile, LockedFile])
type KeyFile = Static<typeof KeyFile>
const keyFile = checkerOf(KeyFile)

export interface MemoryKeyOptions {
  readonly keyDirectory: string
  /** A file whose first line is the operator's passphrase; null for none. */
  readonly passphraseFile: string | null
  /** Whether sessions exist, so that a key may not be made anew. */
  readonly needed: boolean
}

/**
 * The seal that the keys of sessions are wrapped with: its key is `memory.key` of the key directory, made when it is missing and no session needs it. A
 * passphrase locks that file, from the first start that has one. Throws `StartError` for a wrong or missing passphrase, and for a file that is
 * missing, corrupt, or readable by others.
 */
export function openMemoryKey({ keyDirectory, passphraseFile, needed }: MemoryKeyOptions): SecretSeal {
  const path = join(keyDirectory, FILE)
  const passphrase = passphraseFile === null ? undefined : readPassphrase(passphraseFile)
  if (!existsSync(path)) {
    if (needed) throw new StartError(`${path} is missing, and sessions are sealed with it: restore it`)
    const key = randomBytes(AES_KEY_BYTES)
    createPrivateFile(path, toText(passphrase === undefined ? plain(key) : locked(key, passphrase)))
    return sealWith(key)
  }
  const file = readPrivateJson(path, keyFile)
  if ('key' in file) {
    const key = keyOf(path, file.key)
    if (passphrase !== undefined) replacePrivateFile(path, toText(locked(key, passphrase)))
    return sealWith(key)
  }
  if (passphrase === undefined) throw new StartError(`${path} is locked with a passphrase: set memory.passphrase_file`)
  return sealWith(unlock(path, file, passphrase))
}

function readPassphrase(path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new StartError(`memory.passphrase_file cannot be read: ${errorMessage(error)}`)
  }
  const passphrase = (text.split(/\r?\n/, 1)[0] ?? '').normalize('NFC')
  if (passphrase.length < MIN_PASSPHRASE) {
    throw new StartError(
      `memory.passphrase_file: found a first line of ${passphrase.length} characters, allowed are at least ${MIN_PASSPHRASE}`,
    )
  }
  return passphrase
}

const plain = (key: Uint8Array): KeyFile => ({ format: 1, key: toBase64Url(key) })

function locked(key: Uint8Array, passphrase: string): KeyFile {
  const salt = randomBytes(SALT_BYTES)
  return { format: 1, salt: toBase64Url(salt), sealed_key: sealOf(passphrase, salt).seal(key, PURPOSE) }
}

function unlock(path: string, file: Static<typeof LockedFile>, passphrase: string): Uint8Array {
  let key: Uint8Array
  try {
    key = sealOf(passphrase, fromBase64Url(file.salt)).open(file.sealed_key, PURPOSE)
  } catch {
    throw new StartError(`the passphrase in memory.passphrase_file does not open ${path}`)
  }
  return keyOf(path, toBase64Url(key))
}

const sealOf = (passphrase: string, salt: Uint8Array): SecretSeal =>
  sealWith(scryptSync(passphrase, salt, AES_KEY_BYTES, COST))

const toText = (file: KeyFile): string => `${JSON.stringify(file, null, 2)}\n`
