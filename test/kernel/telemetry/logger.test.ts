import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '../../../src/kernel/telemetry/logger.ts'

function collect(pretty: boolean, level = 'info') {
  const lines: string[] = []
  const destination = {
    write(line: string) {
      lines.push(line)
    },
  }
  return { lines, logger: createLogger({ level, pretty, destination }) }
}

test('each message is one line of JSON with level, time and fields', () => {
  const { lines, logger } = collect(false)
  logger.child({ part: 'gossip' }).info({ cells: 3 }, 'two\nlines')
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /^\{.*\}\n$/)
  const { time, ...rest } = JSON.parse(lines[0] ?? '')
  assert.deepEqual(rest, { level: 'info', part: 'gossip', cells: 3, msg: 'two\nlines' })
  assert.match(time, /^\d{4}-\d\d-\d\dT.*Z$/)
})

test('messages below the level are not written', () => {
  const { lines, logger } = collect(false, 'warn')
  logger.info('no')
  logger.warn('yes')
  assert.equal(lines.length, 1)
})

test('secrets are redacted by name, at several depths', () => {
  for (const pretty of [false, true]) {
    const { lines, logger } = collect(pretty)
    logger.info({ apiKey: 's3cret', req: { headers: { authorization: 'Bearer s3cret', 'x-api-key': 's3cret' } } }, 'a')
    logger.info({ admin_key: 's3cret', options: { adminKey: 's3cret' } }, 'b')
    assert.equal(lines.length, 2)
    for (const line of lines) {
      assert.doesNotMatch(line, /s3cret/)
      assert.match(line, /••••/)
    }
  }
})

test('pretty lines escape what strangers sent, in messages, fields, names and errors', () => {
  const { lines, logger } = collect(true)
  const evil = '\u001b]0;owned\u0007\u202e'
  logger.warn({ peer: evil, [evil]: 1, deep: { list: [evil] }, err: new Error(evil) }, `hello ${evil}\nforged line`)
  const text = lines.join('')
  for (const character of ['\u0007', '\u202e', '\u001b]']) assert.ok(!text.includes(character))
  assert.match(text, /hello \\u001b\]0;owned\\u0007\\u202e\\u000aforged line/)
  assert.match(text, /logger\.test\.ts/, 'the stack is shown')
})

test('lines of JSON hold nothing that a terminal acts upon, and say the same', () => {
  const lines: string[] = []
  const logger = createLogger({ level: 'info', pretty: false, destination: { write: (line) => lines.push(line) } })
  const evil = '\u009b31m\u202egpj.exe\u2066\u001b[2J\n'
  logger.info({ evil }, evil)
  assert.equal(lines.length, 1)
  assert.match(lines[0]!, /^[\x20-\x7e]*\n$/)
  const { msg, evil: field } = JSON.parse(lines[0]!) as Record<string, unknown>
  assert.deepEqual([msg, field], [evil, evil])
})
