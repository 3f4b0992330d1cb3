import { randomBytes, scryptSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Static, Type } from 'typebox'
import { Base64Url } from '../../../protocol/fields.ts'
import { fromBase64Url, toBase64Url, utf8 } from '../../kernel/base/bytes.ts'
import { checkerOf } from '../../kernel/base/checker.ts'
import { StartError } from '../../kernel/base/errors.ts'
import { makeDirectory } from '../../kernel/base/make-directory.ts'
import { parseStrictJson } from '../../kernel/base/strict-json.ts'
import { AES_KEY_BYTES, seal, unseal } from '../../kernel/identity/aes-gcm.ts'
import { createPrivateFile } from '../../kernel/identity/private-file.ts'

/** Files of a key directory that are a node's keys. How far its logs were is not among them: that is older than the node when it is restored. */
const KEY_FILES = ['identity.json', 'roles.json', 'publisher.json', 'secrets.key', 'memory.key'] as const
/** What must be there for a node to be the same. */
const NEEDED: readonly string[] = ['identity.json', 'roles.json', 'publisher.json']
const PURPOSE = utf8('keys in a backup')
const SALT_BYTES = 16
/** What scrypt (RFC 7914) costs: 128 MiB and some 300 ms. */
const COST = { N: 2 ** 17, r: 8, p: 1, maxmem: 160 * 1024 * 1024 }
/** Characters of a passphrase at least: what is shorter is guessed faster than scrypt can help. */
export const MIN_PASSPHRASE = 12

const closed = { additionalProperties: false } as const
const Sealed = Type.Object({ format: Type.Literal(1), salt: Base64Url, sealed: Base64Url }, closed)
const Keys = Type.Record(Type.String(), Type.String())
const sealedSchema = checkerOf(Sealed)
const keysSchema = checkerOf(Keys)

/** Sealed keys, and whose they are. */
export interface SealedKeys {
  readonly directory: string
  readonly providerId: string
  readonly bytes: Uint8Array
}

/** The keys of a directory, sealed with a passphrase (scrypt, AES-256-GCM). Throws `StartError`. */
export async function sealKeys(directory: string, passphrase: string): Promise<SealedKeys> {
  if (passphrase.length < MIN_PASSPHRASE) {
    throw new StartError(`the passphrase has ${passphrase.length} characters, allowed are at least ${MIN_PASSPHRASE}`)
  }
  const keys: Record<string, string> = {}
  for (const name of KEY_FILES) {
    const path = join(directory, name)
    if (existsSync(path)) keys[name] = await readFile(path, 'utf8')
    else if (NEEDED.includes(name)) throw new StartError(`${path} is missing: name the node's --key-dir`)
  }
  const salt = randomBytes(SALT_BYTES)
  const sealed = seal(keyOf(passphrase, salt), utf8(JSON.stringify(keys)), PURPOSE)
  const file: Static<typeof Sealed> = { format: 1, salt: toBase64Url(salt), sealed: toBase64Url(sealed) }
  const { provider_id: providerId } = JSON.parse(keys['identity.json']!) as { provider_id: string }
  return { directory, providerId, bytes: utf8(`${JSON.stringify(file)}\n`) }
}

/** Opens sealed keys. Throws `StartError` for a wrong passphrase. */
export function openSealedKeys(bytes: Uint8Array, passphrase: string): ReadonlyMap<string, string> {
  const file: unknown = parseStrictJson(bytes)
  if (!sealedSchema.Check(file)) throw new StartError('the sealed keys of the backup are damaged')
  let opened: Uint8Array
  try {
    opened = unseal(keyOf(passphrase, fromBase64Url(file.salt)), fromBase64Url(file.sealed), PURPOSE)
  } catch {
    throw new StartError('the passphrase does not open the keys of this backup')
  }
  const keys: unknown = parseStrictJson(opened)
  if (!keysSchema.Check(keys)) throw new StartError('the sealed keys of the backup are damaged')
  return new Map(Object.entries(keys).filter(([name]) => (KEY_FILES as readonly string[]).includes(name)))
}

/** Writes keys to a directory without any. */
export function placeKeys(directory: string, keys: ReadonlyMap<string, string>): void {
  makeDirectory(directory)
  for (const name of KEY_FILES) {
    const text = keys.get(name)
    if (text !== undefined) createPrivateFile(join(directory, name), text)
  }
}

const keyOf = (passphrase: string, salt: Uint8Array): Buffer =>
  scryptSync(passphrase.normalize('NFC'), salt, AES_KEY_BYTES, COST)
