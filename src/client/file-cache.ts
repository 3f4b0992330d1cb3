/** `cytoplex/client/file-cache`: packages in a folder, for Node.js, Deno and Bun. */
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PackageCache } from './package-cache.ts'

/** Where packages are kept. */
export interface FileCacheOptions {
  /** Made when it is missing. Of this cache alone: other files in it stay, but several caches may share it. */
  readonly directory: string
  /** 1 GiB unless given. */
  readonly maxBytes?: number | undefined
}

const DEFAULT_BYTES = 1024 * 1024 * 1024
const PACKAGE = /^[0-9a-f]{64}$/
const UNFINISHED = /^[0-9a-f]{64}\.[0-9a-f]{16}\.part$/
/** Milliseconds after which a file that is not finished was left behind. */
const LEFT_BEHIND_MS = 60 * 60 * 1000

/** Packages in a folder, at most `maxBytes` of them; those that were used longest ago go first. Several processes may use the same folder. */
export function fileCache({ directory, maxBytes = DEFAULT_BYTES }: FileCacheOptions): PackageCache {
  return {
    get: async (digest) => {
      const path = join(directory, nameOf(digest))
      try {
        const bytes = await readFile(path)
        const now = new Date()
        await utimes(path, now, now)
        return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
      } catch (error) {
        if (isMissing(error)) return undefined
        throw error
      }
    },
    set: async (digest, bytes) => {
      const name = nameOf(digest)
      if (bytes.length > maxBytes) return
      await mkdir(directory, { recursive: true })
      const part = join(directory, `${name}.${randomBytes(8).toString('hex')}.part`)
      try {
        await writeFile(part, bytes)
        await rename(part, join(directory, name))
      } finally {
        await rm(part, { force: true })
      }
      await prune(directory, maxBytes)
    },
  }
}

/** Name of the file. A digest that is none must not lead out of the folder. */
function nameOf(digest: string): string {
  const name = digest.replace(/^sha256:/, '')
  if (PACKAGE.test(name)) return name
  throw new TypeError(`a digest is sha256:<64 hex digits>, found ${JSON.stringify(digest)}`)
}

async function prune(directory: string, maxBytes: number): Promise<void> {
  const files: { path: string; size: number; usedAt: number }[] = []
  for (const name of await readdir(directory)) {
    const path = join(directory, name)
    const isPackage = PACKAGE.test(name)
    if (!isPackage && !UNFINISHED.test(name)) continue
    const found = await stat(path).catch(gone)
    if (found === undefined) continue
    if (isPackage) files.push({ path, size: found.size, usedAt: found.mtimeMs })
    else if (Date.now() - found.mtimeMs > LEFT_BEHIND_MS) await rm(path, { force: true })
  }
  let total = files.reduce((sum, { size }) => sum + size, 0)
  for (const { path, size } of files.sort((a, b) => a.usedAt - b.usedAt)) {
    if (total <= maxBytes) return
    await rm(path, { force: true })
    total -= size
  }
}

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT'

/** Another process may have removed it. */
function gone(error: unknown): undefined {
  if (!isMissing(error)) throw error
}
