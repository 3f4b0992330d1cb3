import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { extname } from 'node:path'
import type { Static } from 'typebox'
import { LIMITS } from '../../protocol/limits.ts'
import type { PackageRef } from '../../protocol/manifest.ts'
import { toHex } from '../kernel/base/bytes.ts'
import { errorMessage, hasCode } from '../kernel/base/errors.ts'
import { leafHash, merkleRoot } from '../kernel/base/merkle.ts'
import { CliError, EXIT } from './exit-codes.ts'

/** What a package file holds. */
export interface PackageFile {
  readonly ref: Static<typeof PackageRef>
  /** What the content looks like; undefined when it tells nothing. */
  readonly kind: PackageKind | undefined
}

/** How a package is packed (`packaging_format`), and its media type. */
interface PackageKind {
  readonly format: string
  readonly mediaType: string
}

const DOCUMENTS: Readonly<Record<string, string>> = {
  '.txt': 'text/plain',
  '.md': 'text/markdown',
  '.html': 'text/html',
  '.csv': 'text/csv',
  '.json': 'application/json',
}
/** Where POSIX tar keeps its magic. */
const TAR_MAGIC = 257

/** Reads a package once: digest, size, chunk root and kind. Memory use does not depend on its size. Throws `CliError`. */
export async function readPackage(path: string): Promise<PackageFile> {
  const file = await openPackage(path)
  try {
    const hash = createHash('sha256')
    const leaves: Uint8Array[] = []
    const buffer = Buffer.allocUnsafe(LIMITS.chunkBytes)
    let size = 0
    let kind: PackageKind | undefined
    while (true) {
      const chunk = await readChunk(file, buffer, size)
      if (chunk.length === 0) break
      if (size === 0) kind = kindOf(chunk, path)
      hash.update(chunk)
      leaves.push(leafHash(chunk))
      size += chunk.length
      if (size > LIMITS.packageBytes) {
        throw new CliError(`${path} is larger than a package may be (${LIMITS.packageBytes} bytes)`, EXIT.failure)
      }
    }
    if (size === 0) throw new CliError(`${path} is empty`, EXIT.failure)
    const ref = {
      digest: `sha256:${hash.digest('hex')}`,
      size,
      chunk_size: LIMITS.chunkBytes,
      chunks_root: toHex(merkleRoot(leaves)),
    }
    return { ref, kind }
  } finally {
    await file.close()
  }
}

async function openPackage(path: string): Promise<FileHandle> {
  try {
    const file = await open(path)
    if ((await file.stat()).isFile()) return file
    await file.close()
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw new CliError(`${path} does not exist`, EXIT.failure)
    throw new CliError(`${path} cannot be read: ${errorMessage(error)}`, EXIT.failure)
  }
  throw new CliError(`${path} is no file`, EXIT.failure)
}

/** A whole chunk from `position` on, or what is left. A read may give less than is there. */
async function readChunk(file: FileHandle, buffer: Buffer, position: number): Promise<Buffer> {
  let filled = 0
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

function kindOf(start: Buffer, path: string): PackageKind | undefined {
  if (start.subarray(0, 4).equals(Buffer.from('\0asm'))) return { format: 'wasm', mediaType: 'application/wasm' }
  if (start[0] === 0x1f && start[1] === 0x8b) return { format: 'qcc', mediaType: 'application/gzip' }
  if (start.toString('latin1', TAR_MAGIC, TAR_MAGIC + 5) === 'ustar') {
    return { format: 'container', mediaType: 'application/x-tar' }
  }
  const mediaType = DOCUMENTS[extname(path).toLowerCase()]
  return mediaType === undefined ? undefined : { format: 'document', mediaType }
}
