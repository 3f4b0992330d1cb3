import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { hasCode, StartError } from '../base/errors.ts'
import { type SchemaError, schemaRule } from '../base/schema-findings.ts'
import { parseStrictJson } from '../base/strict-json.ts'

/** Files with secrets: readable by their owner alone, and whole or absent after a crash. */

/** Suffix of a file that is being written. */
export const UNFINISHED = '.new'

/** A compiled TypeBox schema, as far as it is used here. */
interface Schema<T> {
  Check(value: unknown): value is T
  Errors(value: unknown): readonly SchemaError[]
}

/**
 * The content of a private JSON file. Throws `StartError` when it is missing, corrupt, or when others may read it. The message repeats
 * nothing of the file.
 */
export function readPrivateJson<T>(path: string, schema: Schema<T>): T {
  const text = readPrivateFile(path)
  let json: unknown
  try {
    json = parseStrictJson(text)
  } catch {
    // What the parser says would quote the file.
    throw new StartError(`${path} is no key file, or is corrupt: it is not valid JSON`)
  }
  if (!schema.Check(json))
    throw new StartError(`${path} is no key file, or is corrupt: ${schemaRule('it', schema.Errors(json))}`)
  return json
}

/** The text of a private file. Throws `StartError` when it is missing or when others may read it. */
function readPrivateFile(path: string): string {
  let descriptor: number
  try {
    descriptor = openSync(path, 'r')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw new StartError(`${path} does not exist`)
    if (hasCode(error, 'EACCES')) throw new StartError(`${path} cannot be read: permission denied`)
    throw error
  }
  try {
    const found = fstatSync(descriptor)
    if (!found.isFile()) throw new StartError(`${path} is no file`)
    refuseOpenMode(path, found.mode, '600')
    return readFileSync(descriptor, 'utf8')
  } finally {
    closeSync(descriptor)
  }
}

/** Throws `StartError` when group or others have any right to the directory. */
export const checkPrivateDirectory = (path: string): void => refuseOpenMode(path, statSync(path).mode, '700')

/** Writes `text` durably beside `path`, to be renamed to it: `path` with {@link UNFINISHED}. */
export function writeUnfinished(path: string, text: string): void {
  const unfinished = path + UNFINISHED
  rmSync(unfinished, { force: true })
  const descriptor = openSync(unfinished, 'wx', 0o600)
  try {
    writeFileSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Writes `text` to `path` with mode 0600, replacing what was there at once or not at all. Durable when it returns. */
export function replacePrivateFile(path: string, text: string): void {
  writeUnfinished(path, text)
  renameSync(path + UNFINISHED, path)
  syncDirectory(dirname(path))
}

/** Writes `text` to a new file with mode 0600. Durable when it returns. Throws `StartError` when `path` exists. */
export function createPrivateFile(path: string, text: string): void {
  writeUnfinished(path, text)
  try {
    // A link, unlike a rename, fails when the name is taken.
    linkSync(path + UNFINISHED, path)
  } catch (error) {
    if (hasCode(error, 'EEXIST')) throw new StartError(`${path} exists already and is not overwritten`)
    throw error
  } finally {
    rmSync(path + UNFINISHED, { force: true })
  }
  syncDirectory(dirname(path))
}

/** Makes the names in a directory durable. */
export function syncDirectory(path: string): void {
  // Windows can neither open nor sync directories.
  if (process.platform === 'win32') return
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function refuseOpenMode(path: string, mode: number, allowed: string): void {
  if (process.platform === 'win32' || (mode & 0o077) === 0) return
  const found = (mode & 0o777).toString(8)
  throw new StartError(`${path} holds secrets but has mode ${found}; run: chmod ${allowed} ${path}`)
}
