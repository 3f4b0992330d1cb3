import { relative } from 'node:path'
import type { TestEvent } from 'node:test/reporters'
import { inspect } from 'node:util'

/**
 * A reporter for `node --test` that is quiet when all is well: failures with their reasons, skipped tests with theirs, what tests
 * print, and the totals. On a terminal a line shows which file is under way.
 */
export default async function* quiet(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const terminal = process.stdout.isTTY
  const totals: string[] = []
  let failures = 0
  for await (const event of events) {
    switch (event.type) {
      case 'test:fail': {
        const { error } = event.data.details
        const cause = error.cause ?? error
        // A suite or file that fails only because of a test inside has nothing to add.
        if (isSubtestsFailed(error) || event.data.todo !== undefined) break
        failures++
        yield `${clear(terminal)}✖ ${event.data.name} (${place(event.data.file, event.data.line)})\n`
        yield `${indent(reason(cause))}\n\n`
        break
      }
      case 'test:pass':
        if (event.data.skip !== undefined) {
          yield `${clear(terminal)}﹣ ${event.data.name} skipped: ${event.data.skip === true ? 'no reason given' : event.data.skip}\n`
        }
        break
      case 'test:start':
        if (terminal && event.data.nesting === 0) yield `${clear(terminal)}${place(event.data.file, undefined)}`
        break
      case 'test:stdout':
      case 'test:stderr':
        yield event.data.message
        break
      case 'test:diagnostic':
        if (event.data.file === undefined || /^(tests|pass|fail|skipped) \d+$/.test(event.data.message)) {
          totals.push(event.data.message)
        }
        break
    }
  }
  yield clear(terminal)
  if (failures > 0) yield `${failures} failed; the reasons are above\n`
  for (const line of totals) yield `ℹ ${line}\n`
}

/** The message, our part of the stack, and what caused it. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return typeof error === 'string' ? error : inspect(error)
  const stack = (error.stack ?? error.message).replace(/\n +at [^\n]*[( ]node:[^\n]*/g, '')
  const parts = error instanceof AggregateError ? error.errors.map(reason) : []
  if (error.cause !== undefined) parts.push(`caused by ${reason(error.cause)}`)
  return [stack, ...parts.map(indent)].join('\n')
}

function isSubtestsFailed(error: Error): boolean {
  return 'failureType' in error && error.failureType === 'subtestsFailed'
}

function place(file: string | undefined, line: number | undefined): string {
  return `${file === undefined ? 'test' : relative(process.cwd(), file)}${line === undefined ? '' : `:${line}`}`
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ')
}

function clear(terminal: boolean): string {
  return terminal ? '\r\x1b[K' : ''
}
