import { existsSync } from 'node:fs'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { contributorKey, type RequestKey } from '../client/index.ts'
import { fromBase64Url, toBase64Url } from '../kernel/base/bytes.ts'
import { newSeed } from '../kernel/identity/keys.ts'
import { createPrivateFile, readPrivateJson } from '../kernel/identity/private-file.ts'
import { keyFileNamed, makeKeyFolder } from './cell-keys.ts'
import { safe } from './output.ts'

/** A contributor's key file, mode 0600. The seed is 32 bytes, base64url. */
const ContributorKeyFile = Type.Object(
  { format: Type.Literal(1), seed: Type.String({ pattern: '^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$' }) },
  { additionalProperties: false },
)
const fileSchema = Compile(ContributorKeyFile)

/** Loads a contributor's key, or creates it and says so on stderr. Throws `StartError` and `CliError`. */
export function openContributorKey(path = keyFileNamed('contributor.json')): RequestKey {
  if (!existsSync(path)) {
    makeKeyFolder(path)
    createPrivateFile(path, `${JSON.stringify({ format: 1, seed: toBase64Url(newSeed()) }, null, 2)}\n`)
    process.stderr.write(`created the contributor key ${safe(path)}; keep a copy, it cannot be made again\n`)
  }
  return contributorKey(fromBase64Url(readPrivateJson(path, fileSchema).seed))
}
