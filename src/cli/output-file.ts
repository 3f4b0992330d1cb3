import { existsSync } from 'node:fs'
import { open, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errorMessage, hasCode } from '../kernel/base/errors.ts'
import { CliError, EXIT } from './exit-codes.ts'

/** Parses `--output`. Throws `CliError`, exit code 2, for `-`: what is written is whole or not there, which a stream cannot promise. */
export function outputFlag(path: string): string {
  if (path !== '-' && path !== '') return path
  throw new CliError(
    `--output: found ${JSON.stringify(path)}, allowed is the name of a file (./- for one named -)`,
    EXIT.usage,
  )
}

/** A file that is not to be replaced unasked. */
export const alreadyThere = (path: string): CliError =>
  new CliError(`${path} exists; --force replaces it, -o names another file`, EXIT.failure)

/** Why `path` cannot be written, whatever file beside it failed. */
export function cannotWrite(path: string, error: unknown): CliError {
  const reason = hasCode(error, 'ENOENT') ? `there is no folder ${dirname(path)}` : errorMessage(error)
  return new CliError(`${path} cannot be written: ${reason}`, EXIT.failure)
}

/** Writes a file whole or not at all. Throws `CliError`, also when it exists and `replace` is false. */
export async function writeWhole(path: string, text: string, replace: boolean): Promise<void> {
  if (!replace) {
    try {
      await writeFile(path, text, { flag: 'wx' })
      return
    } catch (error) {
      throw hasCode(error, 'EEXIST') ? alreadyThere(path) : cannotWrite(path, error)
    }
  }
  const unfinished = `${path}.${process.pid}.new`
  try {
    await writeFile(unfinished, text, { flag: 'wx' })
    await rename(unfinished, path)
  } catch (error) {
    await rm(unfinished, { force: true })
    throw cannotWrite(path, error)
  }
}

/** Writes what comes into a file, which appears only when it is whole; returns its size. Throws `CliError`, also when it exists and `replace` is false. */
export async function streamToFile(path: string, pieces: AsyncIterable<Uint8Array>, replace: boolean): Promise<number> {
  if (!replace && existsSync(path)) throw alreadyThere(path)
  const unfinished = `${path}.${process.pid}.part`
  let size = 0
  try {
    const file = await open(unfinished, 'wx').catch((error: unknown) => {
      throw cannotWrite(path, error)
    })
    try {
      for await (const piece of pieces) {
        await file.appendFile(piece)
        size += piece.length
      }
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(unfinished, path)
    return size
  } finally {
    await rm(unfinished, { force: true })
  }
}
