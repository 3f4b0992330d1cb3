import { CliError, EXIT } from './exit-codes.ts'

/** Parses a whole number of a flag. Throws `CliError`, exit code 2. */
export function wholeNumber(flag: string, minimum = 0): (value: string) => number {
  return (value) => {
    const parsed = /^(?:0|[1-9][0-9]{0,15})$/.test(value) ? Number(value) : Number.NaN
    if (Number.isSafeInteger(parsed) && parsed >= minimum) return parsed
    throw new CliError(
      `${flag}: found ${JSON.stringify(value)}, allowed is a whole number from ${minimum} on`,
      EXIT.usage,
    )
  }
}

/** Parses any number of a flag. Throws `CliError`, exit code 2. */
export function anyNumber(flag: string, minimum = Number.NEGATIVE_INFINITY): (value: string) => number {
  return (value) => {
    const parsed = value.trim() === '' ? Number.NaN : Number(value)
    if (Number.isFinite(parsed) && parsed >= minimum) return parsed
    const allowed = minimum === Number.NEGATIVE_INFINITY ? 'a number' : `a number from ${minimum} on`
    throw new CliError(`${flag}: found ${JSON.stringify(value)}, allowed is ${allowed}`, EXIT.usage)
  }
}
