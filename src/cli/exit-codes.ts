import type { ErrorCode } from '../../protocol/errors.ts'
import { ERRORS } from '../../protocol/errors.ts'
import { FlagError } from '../kernel/config/setting.ts'

/** Exit codes of every verb. `cytoplex --help` lists them. */
export const EXIT = {
  ok: 0,
  failure: 1,
  /** Wrong verb, flag or argument. */
  usage: 2,
  notFound: 3,
  unauthorised: 4,
  /** No node answered. */
  unreachable: 5,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** An error that knows its exit code. Shown as one line. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly code: string
  readonly exitCode: ExitCode

  /** `code` appears in the JSON form of the error. */
  constructor(message: string, exitCode: ExitCode, code = exitCode === EXIT.usage ? 'USAGE' : 'FAILED') {
    super(message)
    this.code = code
    this.exitCode = exitCode
  }
}

/** The exit code for anything that was thrown: errors of the node and of the client are told apart by their code and status. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CliError) return error.exitCode
  if (error instanceof FlagError) return EXIT.usage
  const code = codeOf(error)
  // What the client refuses to send came from the command line.
  if (code === 'INVALID_ARGUMENT') return EXIT.usage
  if (code === 'UNREACHABLE') return EXIT.unreachable
  const status = statusOf(error) ?? (isProviderCode(code) ? ERRORS[code].status : undefined)
  if (status === 404) return EXIT.notFound
  if (status === 401 || status === 403) return EXIT.unauthorised
  return EXIT.failure
}

/** The code of anything that was thrown, as in the JSON form: its own, else `FAILED`. */
export function codeOf(error: unknown): string {
  if (error instanceof FlagError) return 'USAGE'
  const own = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof own === 'string' ? own : 'FAILED'
}

function statusOf(error: unknown): number | undefined {
  const own = error instanceof Error && 'status' in error ? error.status : undefined
  return typeof own === 'number' ? own : undefined
}

function isProviderCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code)
}
