import { ASSURANCE_ERRORS } from '../../protocol/assurance.ts'
import { ERRORS } from '../../protocol/errors.ts'
import { MEMORY_ERRORS } from '../../protocol/memory.ts'

/** A table in Markdown; a `|` in a cell is a character of it. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) =>
    `| ${cells
      .map((cell) =>
        String(cell)
          .replaceAll('|', '\\|')
          .replaceAll(/\s*\n\s*/g, ' '),
      )
      .join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

export function errorReference(): string {
  return `# Errors

Every error answer names one of these codes. Routes may answer with a more exact status where it says more (405, 409, 413, 415, 421, 422).

## Provider API

\`{"error": {"code": …, "message": …}}\`. *Again*: whether the same call may succeed later.

${table(
  ['code', 'meaning', 'status', 'again'],
  Object.entries(ERRORS).map(([code, { message, status, retryable }]) => [
    `\`${code}\``,
    message,
    status,
    retryable ? 'yes' : 'no',
  ]),
)}

\`INTERNAL_ERROR\`, with status 500, is a mistake of the node; its message names the request by which the node's log tells what happened.

## Questions and answers

\`{"errors": [{"code": …, "message": …, "severity": …}]}\`.

${table(
  ['code', 'meaning', 'status', 'severity'],
  Object.entries(ASSURANCE_ERRORS).map(([code, { message, status, severity }]) => [
    `\`${code}\``,
    message,
    status,
    severity,
  ]),
)}

## Memory

${table(
  ['code', 'status'],
  Object.entries(MEMORY_ERRORS).map(([code, { status }]) => [`\`${code}\``, status]),
)}
`
}

/** From what \`/metrics\` of a node answers. */
export function metricReference(exposition: string): string {
  const types = new Map(Array.from(exposition.matchAll(/^# TYPE (\S+) (\S+)$/gm), ([, name, type]) => [name!, type!]))
  const rows = Array.from(exposition.matchAll(/^# HELP (\S+) (.*)$/gm), ([, name, help]) => [
    `\`${name}\``,
    types.get(name!) ?? '',
    help!,
  ])
  const isOurs = (row: readonly string[]) => /^`(cytoplex|ian)_/.test(row[0]!)
  return `# Metrics

\`GET /metrics\` in the text format of Prometheus. Units are part of the names; counters end in \`_total\`.

## Of the node

${table(['metric', 'type', 'what'], rows.filter(isOurs))}

## Of the process and its libraries

${table(
  ['metric', 'type', 'what'],
  rows.filter((row) => !isOurs(row)),
)}
`
}
