import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import { type ExportedTurn, SessionFile } from '../../../protocol/memory-export.ts'
import { type ExportFormat, type ExportRecord, formatted } from '../../../src/domain/memory/export-formats.ts'

const AT = '2026-01-31T12:00:00.000Z'
const SESSION: ExportRecord = {
  record: 'session',
  value: {
    session_id: `sess_${'a'.repeat(32)}`,
    created_at: AT,
    status: 'active',
    user_preferences: { memory_retention_days: 30, context_depth: 10, auto_summarize: true },
  },
}
const summary = (text: string): ExportRecord => ({
  record: 'summary',
  value: { summary: text, key_topics: ['one', 'two words'], trigger: null, created_at: AT },
})
const state = (agent: string): ExportRecord => ({
  record: 'agent_state',
  value: { agent, state: { likes: ['tea'] }, last_updated: AT },
})
const conversation = (letter: string): ExportRecord => ({
  record: 'conversation',
  value: {
    conversation_id: `conv_${letter.repeat(32)}`,
    created_at: AT,
    status: 'completed',
    completed_at: AT,
    summary: 'All well.',
    key_topics: [],
  },
})
const turn = (turn_number: number, content: string, metadata?: ExportedTurn['metadata']): ExportRecord => ({
  record: 'turn',
  value: { turn_number, agent: 'user', content, timestamp: AT, ...(metadata === undefined ? {} : { metadata }) },
})

async function written(format: ExportFormat, records: readonly ExportRecord[]): Promise<string> {
  let text = ''
  for await (const piece of formatted(
    format,
    AT,
    (async function* () {
      yield* records
    })(),
  )) {
    text += piece
  }
  return text
}

const FULL = [
  SESSION,
  summary('First.'),
  summary('Second.'),
  state('beatrice'),
  state('codey'),
  conversation('b'),
  turn(1, 'Say "hello"\nto all', { model: 'x' }),
  turn(2, 'Hello.\u2028'),
  conversation('c'),
  turn(5, 'Again'),
]
const isFile = Compile(SessionFile)

describe('an export as JSON', () => {
  test('is one object of the documented form', async () => {
    const file: unknown = JSON.parse(await written('json', FULL))
    assert.ok(isFile.Check(file), JSON.stringify([...isFile.Errors(file)]))
    assert.equal(file.session.session_id, SESSION.value.session_id)
    assert.deepEqual(
      file.summaries.map((entry) => entry.summary),
      ['First.', 'Second.'],
    )
    assert.deepEqual(
      file.agent_states.map(({ agent }) => agent),
      ['beatrice', 'codey'],
    )
    assert.deepEqual(
      file.conversations.map(({ turns }) => turns),
      [[FULL[6]!.value, FULL[7]!.value], [FULL[9]!.value]],
    )
  })

  test('has the parts that there is nothing of', async () => {
    for (const records of [
      [SESSION],
      [SESSION, summary('x')],
      [SESSION, state('a')],
      [SESSION, conversation('b'), turn(1, 'x')],
      [SESSION, summary('x'), conversation('b'), turn(1, 'x')],
    ]) {
      const file: unknown = JSON.parse(await written('json', records))
      assert.ok(isFile.Check(file), JSON.stringify([...isFile.Errors(file)]))
      const { length } = [
        ...file.summaries,
        ...file.agent_states,
        ...file.conversations.flatMap(({ turns }) => [0, ...turns]),
      ]
      assert.equal(length, records.length - 1)
    }
  })
})

describe('an export as JSON lines', () => {
  test('has a line for each record, and a turn names its conversation', async () => {
    const lines = (await written('jsonl', FULL)).split('\n')
    assert.equal(lines.pop(), '')
    const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.deepEqual(
      records.map(({ record }) => record),
      FULL.map(({ record }) => record),
    )
    assert.equal(records[0]!.format, 'cytoplex-session/1')
    assert.deepEqual(
      records.filter(({ record }) => record === 'turn').map((entry) => String(entry.conversation_id).at(-1)),
      ['b', 'b', 'c'],
    )
  })
})

describe('an export as Markdown', () => {
  /** Headings outside of fences, as CommonMark finds them. */
  const headings = (text: string): string[] => {
    const found: string[] = []
    let fence: string | undefined
    for (const line of text.split(/\r\n|\r|\n/)) {
      const marks = /^ {0,3}(`{3,})(.*)$/.exec(line)
      if (fence !== undefined) {
        if (marks !== null && marks[1]!.length >= fence.length && marks[2]!.trim() === '') fence = undefined
      } else if (marks !== null) fence = marks[1]
      else if (/^ {0,3}#{1,6}(\s|$)/.test(line)) found.push(line)
    }
    assert.equal(fence, undefined, 'a fence is open at the end')
    return found
  }

  test('has a heading for the session, its parts and each turn', async () => {
    assert.deepEqual(headings(await written('markdown', FULL)), [
      `# Session ${SESSION.value.session_id}`,
      '## Summaries',
      `### ${AT}`,
      `### ${AT}`,
      '## Agents',
      '### `beatrice`',
      '### `codey`',
      '## Conversation 1',
      `### 1. \`user\`, ${AT}`,
      `### 2. \`user\`, ${AT}`,
      '## Conversation 2',
      `### 5. \`user\`, ${AT}`,
    ])
  })

  test('has none that was said', async () => {
    const hostile = '```\n# Session forged\n````\n### 9. `user`\n~~~\n<h1>x</h1>\r# y\n'
    const expected = headings(await written('markdown', [SESSION, conversation('b'), turn(1, 'x'), turn(2, 'y')]))
    const found = await written('markdown', [SESSION, conversation('b'), turn(1, hostile), turn(2, 'y')])
    assert.deepEqual(headings(found), expected)
    assert.ok(found.includes(hostile), 'what was said is there as it was')
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom('`', '```', '\n', '\r', '# a', ' ', '~~~', 'x')), async (parts) => {
        const text = await written('markdown', [
          SESSION,
          conversation('b'),
          turn(1, `x${parts.join('')}`),
          turn(2, 'y'),
        ])
        assert.deepEqual(headings(text), expected)
      }),
    )
  })
})
