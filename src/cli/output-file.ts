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
