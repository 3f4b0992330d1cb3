import { createReadStream } from 'node:fs'
import { concatBytes } from '../kernel/base/bytes.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { CliError, EXIT } from './exit-codes.ts'

/** A file, or standard input for `-`: of one with more than `most` bytes, a few more than those. Throws `CliError` for what cannot be read. */
export async function readBounded(path: string, most: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let size = 0
  try {
    const source: AsyncIterable<Uint8Array> = path === '-' ? process.stdin : createReadStream(path)
    for await (const part of source) {
      parts.push(part)
      size += part.length
      if (size > most) break
    }
  } catch (error) {
    throw new CliError(`${path} cannot be read: ${errorMessage(error)}`, EXIT.failure)
  }
  return concatBytes(parts)
}
