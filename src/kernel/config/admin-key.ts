import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { toBase64Url } from '../base/bytes.ts'
import { hasCode, StartError } from '../base/errors.ts'
import { makeDirectory } from '../base/make-directory.ts'

/** Where the administrator's key comes from. */
export type AdminKeyOrigin = `file ${string}` | 'environment CYTOPLEX_ADMIN_KEY'

/** The administrator's key. `key` is secret: never logged, never shown. */
export interface AdminKey {
  readonly key: string
  readonly origin: AdminKeyOrigin
}

/** Characters of the shortest key that is taken: a shorter one can be guessed. */
const MIN_LENGTH = 16
const MAX_LENGTH = 1024

/** `<data-dir>/admin.key`. */
export const adminKeyFile = (dataDir: string): string => join(dataDir, 'admin.key')

/** Where {@link loadAdminKey} would take the key from. Reads nothing. */
export function adminKeyOrigin(dataDir: string, env: NodeJS.ProcessEnv): AdminKeyOrigin {
  return env.CYTOPLEX_ADMIN_KEY === undefined ? `file ${adminKeyFile(dataDir)}` : 'environment CYTOPLEX_ADMIN_KEY'
}

/** Throws `StartError` when `CYTOPLEX_ADMIN_KEY` is set and no usable key. Touches no file, so it can be asked before anything starts. */
export function checkAdminKeyEnvironment(env: NodeJS.ProcessEnv): void {
  if (env.CYTOPLEX_ADMIN_KEY !== undefined) checkAdminKey(env.CYTOPLEX_ADMIN_KEY, 'environment CYTOPLEX_ADMIN_KEY')
}

/**
 * The administrator's key: `CYTOPLEX_ADMIN_KEY`, else `<data-dir>/admin.key`, which is created with 32 random bytes in base64url when it
 * is missing (0600; the data directory 0700). Throws `StartError` for a key that is too short or has characters that a header cannot
 * carry, and for a file that others can read.
 */
export function loadAdminKey(dataDir: string, env: NodeJS.ProcessEnv): AdminKey {
  const origin = adminKeyOrigin(dataDir, env)
  if (env.CYTOPLEX_ADMIN_KEY !== undefined) return { key: checkAdminKey(env.CYTOPLEX_ADMIN_KEY, origin), origin }
  return { key: readAdminKeyFile(dataDir) ?? createAdminKeyFile(dataDir), origin }
}

/** The key in `<data-dir>/admin.key`; undefined when there is no such file. Throws `StartError` as {@link loadAdminKey} does. */
export function readAdminKeyFile(dataDir: string): string | undefined {
  const file = adminKeyFile(dataDir)
  try {
    const mode = statSync(file).mode & 0o777
    if ((mode & 0o077) !== 0) {
      throw new StartError(`${file}: others may read it (mode ${mode.toString(8)}); run: chmod 600 ${file}`)
    }
    return checkAdminKey(readFileSync(file, 'utf8').trim(), `file ${file}`)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

function checkAdminKey(key: string, origin: AdminKeyOrigin): string {
  const allowed = `allowed are ${MIN_LENGTH} to ${MAX_LENGTH} visible ASCII characters`
  if (key.length < MIN_LENGTH || key.length > MAX_LENGTH) {
    throw new StartError(`admin key (${origin}): found ${key.length} characters, ${allowed}`)
  }
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new StartError(`admin key (${origin}): found a space or a character outside ASCII, ${allowed}`)
  }
  return key
}

function createAdminKeyFile(dataDir: string): string {
  const key = toBase64Url(randomBytes(32))
  makeDirectory(dataDir)
  const descriptor = openSync(adminKeyFile(dataDir), 'wx', 0o600)
  try {
    writeSync(descriptor, `${key}\n`)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  return key
}
