import { existsSync } from 'node:fs'
import { Type } from 'typebox'
import { type OperatorKey, operatorKey, operatorPublicKey } from '../client/index.ts'
import { fromBase64Url, toBase64Url } from '../kernel/base/bytes.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { newSeed } from '../kernel/identity/keys.ts'
import { createPrivateFile, readPrivateJson } from '../kernel/identity/private-file.ts'
import { keyFileNamed, makeKeyFolder } from './cell-keys.ts'
import { safe } from './output.ts'

const closed = { additionalProperties: false } as const
const Bytes = Type.String({ pattern: '^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$' })

/** An operator's key file, mode 0600: the seed of an Ed25519 key, or the secret that a node made; 32 bytes, base64url. */
const OperatorKeyFile = Type.Union([
  Type.Object({ format: Type.Literal(1), seed: Bytes }, closed),
  Type.Object({ format: Type.Literal(1), secret: Bytes }, closed),
])
const fileSchema = checkerOf(OperatorKeyFile)

/** Where an operator's key is unless a flag names another file. */
export const operatorKeyFile = (path: string | undefined): string => path ?? keyFileNamed('operator.json')

/** Signs as an operator, with the key in a file. Throws `StartError`. */
export function openOperatorKey(path: string, operatorId: string): OperatorKey {
  const file = readPrivateJson(path, fileSchema)
  return operatorKey(
    operatorId,
    'seed' in file ? { seed: fromBase64Url(file.seed) } : { secret: fromBase64Url(file.secret) },
  )
}

/** The public key of the file, base64url; undefined where it holds a secret. It is created, and said so on stderr, where there is none. */
export function publicKeyInFile(path: string): string | undefined {
  if (!existsSync(path)) {
    save(path, { format: 1, seed: toBase64Url(newSeed()) })
    process.stderr.write(`created the operator key ${safe(path)}; keep a copy, it cannot be made again\n`)
  }
  const file = readPrivateJson(path, fileSchema)
  return 'seed' in file ? toBase64Url(operatorPublicKey(fromBase64Url(file.seed))) : undefined
}

/** Keeps a secret in a new file. Throws `StartError` where the file exists. */
export function saveSecret(path: string, secret: string): void {
  save(path, { format: 1, secret })
}

function save(path: string, file: object): void {
  makeKeyFolder(path)
  createPrivateFile(path, `${JSON.stringify(file, null, 2)}\n`)
}
