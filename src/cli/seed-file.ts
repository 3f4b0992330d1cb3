import { existsSync } from 'node:fs'
import { Type } from 'typebox'
import { fromBase64Url, toBase64Url } from '../kernel/base/bytes.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { newSeed } from '../kernel/identity/keys.ts'
import { createPrivateFile, readPrivateJson } from '../kernel/identity/private-file.ts'
import { makeKeyFolder } from './cell-keys.ts'
import { safe } from './output.ts'

/** A key file with one Ed25519 key, mode 0600. The seed is 32 bytes, base64url. */
const SeedFile = Type.Object(
  { format: Type.Literal(1), seed: Type.String({ pattern: '^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$' }) },
  { additionalProperties: false },
)
const fileSchema = checkerOf(SeedFile)

/** Loads the seed of a key, or creates one and says so on stderr; `whose` names the key. Throws `StartError` and `CliError`. */
export function openSeed(path: string, whose: string): Uint8Array {
  if (!existsSync(path)) {
    makeKeyFolder(path)
    createPrivateFile(path, `${JSON.stringify({ format: 1, seed: toBase64Url(newSeed()) }, null, 2)}\n`)
    process.stderr.write(`created the ${whose} key ${safe(path)}; keep a copy, it cannot be made again\n`)
  }
  return fromBase64Url(readPrivateJson(path, fileSchema).seed)
}
