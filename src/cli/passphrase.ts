import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { errorMessage } from '../kernel/base/errors.ts'
import { CliError, EXIT } from './exit-codes.ts'

/** The first line of a file, or what is typed on a terminal without showing it. Throws `CliError` where there is neither. */
export async function readPassphrase(file: string | undefined, question: string): Promise<string> {
  if (file !== undefined) {
    try {
      return (readFileSync(file, 'utf8').split(/\r?\n/, 1)[0] ?? '').normalize('NFC')
    } catch (error) {
      throw new CliError(`--passphrase-file cannot be read: ${errorMessage(error)}`, EXIT.usage)
    }
  }
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new CliError('a passphrase is needed: name a file with --passphrase-file', EXIT.usage)
  }
  process.stderr.write(`${question}: `)
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true })
  try {
    return (await lines.question('')).normalize('NFC')
  } finally {
    lines.close()
    process.stderr.write('\n')
  }
}
