import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withProgress } from '../../src/cli/cell-transfer.ts'
import { CliError, codeOf, EXIT, exitCodeOf } from '../../src/cli/exit-codes.ts'
import { paint, printError, printJson, printTable, safe } from '../../src/cli/output.ts'
import { ProviderError, StartError } from '../../src/kernel/base/errors.ts'
import { FlagError } from '../../src/kernel/config/setting.ts'

/** What `action` writes to one of the standard streams. */
function written(name: 'stdout' | 'stderr', action: () => void): string {
  const stream = process[name]
  const { write } = stream
  let text = ''
  stream.write = (chunk: string | Uint8Array) => {
    text += String(chunk)
    return true
  }
  try {
    action()
  } finally {
    stream.write = write
  }
  return text
}

const EVIL = 'a\u001b[2J\u202eb'
const ESCAPED = 'a\\u001b[2J\\u202eb'

test('progress says what it counts', async () => {
  const { stderr } = process
  const { isTTY, write } = stderr
  let text = ''
  stderr.isTTY = true
  stderr.write = (chunk: string | Uint8Array) => {
    text += String(chunk)
    return true
  }
  try {
    for (const more of [[], [(total: number) => `${total} packages`]] as const)
      await withProgress('x', {}, async (onProgress) => onProgress({ transferred: 1500, total: 3000 }), ...more)
  } finally {
    Object.assign(stderr, { isTTY, write })
  }
  assert.match(text, /% of 3\.0 kB.*% of 3000 packages/s)
})

test('tables align their columns and make every field safe', () => {
  const text = written('stdout', () =>
    printTable(
      ['NAME', 'N'],
      [
        [EVIL, 1],
        ['b', null],
      ],
    ),
  )
  assert.equal(text, `${'NAME'.padEnd(17)}  N\n${ESCAPED}  1\n${'b'.padEnd(17)}  -\n`)
})

test('JSON is the same value, and harmless to a terminal', () => {
  const value = { [EVIL]: [EVIL, '\u009b'] }
  const text = written('stdout', () => printJson(value))
  assert.deepEqual(JSON.parse(text), value)
  for (const character of ['\u001b', '\u009b', '\u202e']) assert.ok(!text.includes(character))
})

test('errors are one line without a stack, or JSON', () => {
  const error = new StartError(`no such key\n(Did you mean ${EVIL}?)`)
  assert.equal(
    written('stderr', () => printError(error, false)),
    `cytoplex: no such key; (Did you mean ${ESCAPED}?)\n`,
  )
  const text = written('stderr', () => printError(new ProviderError('PROV_002', EVIL), true))
  assert.deepEqual(JSON.parse(text), { error: { code: 'PROV_002', message: EVIL } })
  assert.ok(!text.includes('\u202e'))
})

test('colours only on a terminal, and never with NO_COLOR', (context) => {
  const { NO_COLOR } = process.env
  context.after(() => {
    if (NO_COLOR === undefined) delete process.env.NO_COLOR
    else process.env.NO_COLOR = NO_COLOR
  })
  const terminal = { isTTY: true } as NodeJS.WriteStream
  delete process.env.NO_COLOR
  assert.notEqual(paint('red', 'x', terminal), 'x')
  assert.equal(paint('red', 'x', { isTTY: false } as NodeJS.WriteStream), 'x')
  process.env.NO_COLOR = '1'
  assert.equal(paint('red', 'x', terminal), 'x')
})

test('safe is the escape of the logs', () => {
  assert.equal(safe(EVIL), ESCAPED)
})

test('exit codes tell what went wrong', () => {
  const withCode = (code: string, status?: number) => Object.assign(new Error('x'), { code, status })
  const cases: [unknown, number, string][] = [
    [new CliError('x', EXIT.usage), 2, 'USAGE'],
    [new CliError('x', EXIT.notFound, 'NOT_FOUND'), 3, 'NOT_FOUND'],
    [new FlagError('x'), 2, 'USAGE'],
    [new StartError('x'), 1, 'FAILED'],
    [new ProviderError('PROV_002', 'x'), 3, 'PROV_002'],
    [new ProviderError('PROV_016', 'x'), 4, 'PROV_016'],
    [new ProviderError('PROV_015', 'x'), 4, 'PROV_015'],
    [new ProviderError('PROV_005', 'x'), 1, 'PROV_005'],
    [withCode('UNREACHABLE'), 5, 'UNREACHABLE'],
    [withCode('PROV_003'), 3, 'PROV_003'],
    [withCode('HTTP_401', 401), 4, 'HTTP_401'],
    [withCode('ENOENT'), 1, 'ENOENT'],
    ['text', 1, 'FAILED'],
  ]
  for (const [error, exit, code] of cases) {
    assert.equal(exitCodeOf(error), exit, String(error))
    assert.equal(codeOf(error), code)
  }
})
