import { styleText } from 'node:util'
import { errorMessage } from '../kernel/base/errors.ts'
import { escapeControls } from '../kernel/telemetry/escape.ts'
import { codeOf } from './exit-codes.ts'

type Style = Parameters<typeof styleText>[0]
type Output = NodeJS.WriteStream

/** Foreign text made fit for a terminal: control and bidirectional characters become `\uXXXX`. Every string that a node sent goes through it. */
export const safe = escapeControls

/** A word for a POSIX shell. */
export const quote = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

/** Colours `text` when `stream` is a terminal and `NO_COLOR` is not set. */
export function paint(style: Style, text: string, stream: Output = process.stdout): string {
  return stream.isTTY && !process.env.NO_COLOR ? styleText(style, text, { validateStream: false }) : text
}

/** Writes a line to stdout. The caller has made foreign parts {@link safe}. */
export function printLine(text = ''): void {
  process.stdout.write(`${text}\n`)
}

/** Writes `value` as indented JSON to stdout. What a terminal would act upon is escaped, which leaves the value the same. */
export function printJson(value: unknown): void {
  const text = JSON.stringify(value, null, 2)
  printLine(text.split('\n').map(safe).join('\n'))
}

/** Writes rows under their headings to stdout, in columns. Makes every field safe; null and undefined show as `-`. */
export function printTable(headings: readonly string[], rows: readonly (readonly unknown[])[]): void {
  const lines = rows.map((row) => headings.map((_, i) => field(row[i])))
  const widths = headings.map((heading, i) => Math.max(heading.length, ...lines.map((line) => line[i]?.length ?? 0)))
  const align = (fields: readonly string[]): string =>
    fields.map((text, i) => (i === fields.length - 1 ? text : text.padEnd(widths[i] ?? 0))).join('  ')
  printLine(paint('bold', align(headings)))
  for (const line of lines) printLine(align(line))
}

function field(value: unknown): string {
  return value === null || value === undefined || value === '' ? '-' : safe(String(value))
}

/** Writes an error to stderr: one line `cytoplex: …`, or `{"error":{"code","message"}}` as JSON. Never a stack. */
export function printError(error: unknown, json: boolean): void {
  const message = errorMessage(error)
  if (json) {
    process.stderr.write(`${safe(JSON.stringify({ error: { code: codeOf(error), message } }))}\n`)
    return
  }
  const text = safe(message.trim().replaceAll(/\s*\n\s*/g, '; '))
  process.stderr.write(`${paint('red', 'cytoplex:', process.stderr)} ${text}\n`)
}
