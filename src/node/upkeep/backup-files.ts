import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Static, type TSchema, Type } from 'typebox'
import { Check } from 'typebox/value'
import { ProviderId, Sha256Hex, Timestamp } from '../../../protocol/fields.ts'
import { LogEnd } from '../../../protocol/upkeep.ts'
import { hasCode, StartError } from '../../kernel/base/errors.ts'
import { parseStrictJson } from '../../kernel/base/strict-json.ts'
import { syncDirectory } from '../../kernel/storage/durable-files.ts'

/**
 * A folder of backups of one node:
 *
 *     backup.json               whose they are
 *     packages/<2>/<digest>     packages, each once, whichever backups need it
 *     snapshots/<id>/           one backup: manifest.json, store.jsonl.gz, packages.txt, maybe keys.sealed
 */
export const BACKUP_FILE = 'backup.json'
export const MANIFEST_FILE = 'manifest.json'
export const STORE_FILE = 'store.jsonl.gz'
export const PACKAGES_FILE = 'packages.txt'
export const KEYS_FILE = 'keys.sealed'
/** Prefix of the folder of a backup that is being made. */
export const UNFINISHED = '.unfinished-'

export const BackupOwner = Type.Object({ format: Type.Literal(1), network: Type.String(), provider_id: ProviderId })
export type BackupOwner = Static<typeof BackupOwner>

const FileDigest = Type.Object({ sha256: Sha256Hex, bytes: Type.Integer({ minimum: 0 }) })

/** `manifest.json`: written last, so that a backup without it is none. */
export const BackupManifest = Type.Object({
  format: Type.Literal(1),
  id: Type.String({ pattern: '^[0-9]{8}T[0-9]{6}Z(-[0-9]+)?$' }),
  network: Type.String(),
  provider_id: ProviderId,
  software_version: Type.String(),
  schema_version: Type.Integer({ minimum: 1 }),
  at: Timestamp,
  log: LogEnd,
  /** Records of the store. */
  entries: Type.Integer({ minimum: 0 }),
  packages: Type.Integer({ minimum: 0 }),
  /** Digests of packages that the store names and the node could not deliver. */
  lost: Type.Array(Sha256Hex),
  files: Type.Record(Type.String(), FileDigest),
})
export type BackupManifest = Static<typeof BackupManifest>

export const packagePath = (folder: string, digest: string): string =>
  join(folder, 'packages', digest.slice(0, 2), digest)

/** A JSON file of a backup. Throws `StartError`. */
export async function readBackupJson<Schema extends TSchema>(path: string, schema: Schema): Promise<Static<Schema>> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw new StartError(`${path} is missing: this is no whole backup`)
    if (hasCode(error, 'ENOTDIR')) throw new StartError(`${dirname(path)} is a file, not a folder of backups`)
    throw error
  }
  let value: unknown
  try {
    value = parseStrictJson(bytes)
  } catch {
    throw new StartError(`${path} is damaged: it is not valid JSON`)
  }
  if (!Check(schema, value)) throw new StartError(`${path} is damaged, or was written by a newer program`)
  return value
}

/** Ids of the whole backups of a folder, oldest first. */
export async function backupIds(folder: string): Promise<string[]> {
  try {
    const names = await readdir(join(folder, 'snapshots'))
    return names.filter((name) => !name.startsWith('.')).sort()
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}

/** Whether a folder beside the backups is one that a process makes which still runs. */
export function isRunningBackup(name: string): boolean {
  if (!name.startsWith(UNFINISHED)) return false
  try {
    process.kill(Number(name.slice(UNFINISHED.length)), 0)
    return true
  } catch (error) {
    return hasCode(error, 'EPERM')
  }
}

/** Writes pieces to a new file, durably; resolves with their digest and size. Nothing is left of a file that failed. */
export async function writeNewFile(
  path: string,
  pieces: AsyncIterable<Uint8Array>,
): Promise<Static<typeof FileDigest>> {
  const file = await open(path, 'wx', 0o600)
  try {
    const written = await writePieces(file, pieces)
    await file.sync()
    return written
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
}

async function writePieces(file: FileHandle, pieces: AsyncIterable<Uint8Array>): Promise<Static<typeof FileDigest>> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const piece of pieces) {
    hash.update(piece)
    for (let done = 0; done < piece.length; ) {
      const { bytesWritten } = await file.write(piece, done, piece.length - done, bytes + done)
      done += bytesWritten
    }
    bytes += piece.length
  }
  return { sha256: hash.digest('hex'), bytes }
}

/** What {@link copyVerified} found instead of what was expected. */
export class WrongDigest extends Error {}

/** Writes a package to its place, which it gets only when its digest is right. Throws {@link WrongDigest}. */
export async function copyVerified(path: string, digest: string, pieces: AsyncIterable<Uint8Array>): Promise<number> {
  const folder = join(path, '..')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const unfinished = `${path}.new`
  await rm(unfinished, { force: true })
  const { sha256, bytes } = await writeNewFile(unfinished, pieces)
  if (sha256 !== digest) {
    await rm(unfinished, { force: true })
    throw new WrongDigest(`its bytes are those of ${sha256}`)
  }
  await rename(unfinished, path)
  await syncDirectory(folder)
  return bytes
}

/** Bytes of a file, which is opened when they are asked for: what fails then is heard. */
export async function* fileBytes(path: string): AsyncGenerator<Uint8Array> {
  yield* createReadStream(path, { highWaterMark: 256 * 1024 }) as AsyncIterable<Uint8Array>
}

/** Bytes of a file, which must have this digest when they have all been read. Throws `StartError`. */
export async function* readVerified(
  path: string,
  expected: Static<typeof FileDigest> | undefined,
): AsyncGenerator<Uint8Array> {
  if (expected === undefined) throw new StartError(`${path} is not in the manifest of the backup`)
  const hash = createHash('sha256')
  try {
    for await (const piece of fileBytes(path)) {
      hash.update(piece)
      yield piece
    }
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw new StartError(`${path} is missing: the backup is not whole`)
    throw error
  }
  if (hash.digest('hex') !== expected.sha256) throw new StartError(`${path} was changed: its digest is wrong`)
}

/** Digests of the packages that a backup lists. Throws `StartError` for a list that was changed. */
export async function* listedPackages(at: string, { files }: BackupManifest): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const piece of readVerified(join(at, PACKAGES_FILE), files[PACKAGES_FILE])) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const digest = line.slice(0, 64)
      // It becomes a path.
      if (!/^[0-9a-f]{64}$/.test(digest)) throw new StartError(`${join(at, PACKAGES_FILE)} lists what is no digest`)
      yield digest
    }
  }
}

/** SHA-256 of a file, in hexadecimal. */
export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of fileBytes(path)) hash.update(piece)
  return hash.digest('hex')
}
