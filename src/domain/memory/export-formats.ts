import type { SessionExport } from '../../../protocol/memory.ts'
import {
  EXPORT_FORMAT,
  type ExportedConversation,
  type ExportedSession,
  type ExportedState,
  type ExportedSummary,
  type ExportedTurn,
} from '../../../protocol/memory-export.ts'

/** What is written of a session, in this order: itself, its summaries, its agents, then each conversation followed by its turns. */
export type ExportRecord =
  | { readonly record: 'session'; readonly value: ExportedSession }
  | { readonly record: 'summary'; readonly value: ExportedSummary }
  | { readonly record: 'agent_state'; readonly value: ExportedState }
  | { readonly record: 'conversation'; readonly value: ExportedConversation }
  | { readonly record: 'turn'; readonly value: ExportedTurn }

export type ExportFormat = NonNullable<SessionExport['format']>

/** Media type, and the end of a file's name. */
export const FILE_TYPES: Readonly<Record<ExportFormat, readonly [mediaType: string, extension: string]>> = {
  json: ['application/json', 'json'],
  jsonl: ['application/jsonl', 'jsonl'],
  markdown: ['text/markdown; charset=utf-8', 'md'],
}

/** The text of an export, record by record: protocol/README.md, "Exports of sessions". `exportedAt` is ISO 8601. */
export async function* formatted(
  format: ExportFormat,
  exportedAt: string,
  records: AsyncIterable<ExportRecord>,
): AsyncGenerator<string> {
  const write = { json: json(exportedAt), jsonl: jsonLines(exportedAt), markdown: markdown(exportedAt) }[format]
  for await (const record of records) yield write(record)
  yield write(undefined)
}

/** Writes one record after the other; undefined is the end. */
type Writer = (record: ExportRecord | undefined) => string

/** The arrays of a JSON export, in order. */
const ARRAYS = ['summaries', 'agent_states', 'conversations'] as const
const ARRAY_OF = { summary: 0, agent_state: 1, conversation: 2 } as const

/** One object. Arrays that nothing was written to are there, too. */
function json(exportedAt: string): Writer {
  /** Which of the arrays is being written. */
  let array = -1
  /** How many were written to that array, and to the turns of its last conversation. */
  let items = 0
  let turns = 0
  const closed = (next: number): string => {
    let text = array === ARRAY_OF.conversation && items > 0 ? ']}' : ''
    while (array < next) {
      if (array >= 0) text += ']'
      array++
      items = 0
      if (array < ARRAYS.length) text += `,"${ARRAYS[array]}":[`
    }
    return text
  }
  return (record) => {
    if (record === undefined) return `${closed(ARRAYS.length)}}\n`
    const text = JSON.stringify(record.value)
    if (record.record === 'session') {
      return `{"format":"${EXPORT_FORMAT}","exported_at":"${exportedAt}","session":${text}`
    }
    if (record.record === 'turn') return turns++ === 0 ? text : `,${text}`
    const before = closed(ARRAY_OF[record.record])
    const comma = items++ === 0 ? '' : ','
    if (record.record !== 'conversation') return before + comma + text
    turns = 0
    return `${before}${comma}${text.slice(0, -1)},"turns":[`
  }
}

/** One JSON object a line, which says what it is a record of. */
function jsonLines(exportedAt: string): Writer {
  let conversation: string | undefined
  return (record) => {
    if (record === undefined) return ''
    const { record: kind, value } = record
    if (kind === 'conversation') conversation = value.conversation_id
    const more =
      kind === 'session'
        ? { format: EXPORT_FORMAT, exported_at: exportedAt }
        : kind === 'turn'
          ? { conversation_id: conversation }
          : {}
    return `${JSON.stringify({ record: kind, ...more, ...value })}\n`
  }
}

/** For people. What was said stands in fences that are longer than any in it, so that it can be no heading, and nothing of the next turn. */
function markdown(exportedAt: string): Writer {
  let conversations = 0
  let began: string | undefined
  const section = (title: string, text: string): string => {
    const heading = began === title ? '' : `## ${title}\n\n`
    began = title
    return heading + text
  }
  return (record) => {
    switch (record?.record) {
      case undefined:
        return ''
      case 'session': {
        const { session_id, created_at, status } = record.value
        return `# Session ${session_id}\n\n- Created: ${created_at}\n- Status: ${status}\n- Exported: ${exportedAt}\n\n`
      }
      case 'summary': {
        const { summary, key_topics, created_at } = record.value
        const topics = key_topics.length === 0 ? '' : `Topics:\n\n${fenced(key_topics.join('\n'))}\n`
        return section('Summaries', `### ${created_at}\n\n${fenced(summary)}\n${topics}`)
      }
      case 'agent_state': {
        const { agent, state, last_updated } = record.value
        return section(
          'Agents',
          `### \`${agent}\`\n\n- Updated: ${last_updated}\n\n${fenced(JSON.stringify(state, null, 2), 'json')}\n`,
        )
      }
      case 'conversation': {
        const { conversation_id, created_at, status, summary } = record.value
        const about = summary === null ? '' : `Summary:\n\n${fenced(summary)}\n`
        const facts = `- Id: ${conversation_id}\n- Created: ${created_at}\n- Status: ${status}\n\n`
        return section(`Conversation ${++conversations}`, facts + about)
      }
      case 'turn': {
        const { turn_number, agent, content, timestamp, metadata } = record.value
        const hasMore = metadata !== undefined && Object.keys(metadata).length > 0
        const more = hasMore ? `${fenced(JSON.stringify(metadata, null, 2), 'json')}\n` : ''
        return `### ${turn_number}. \`${agent}\`, ${timestamp}\n\n${fenced(content)}\n${more}`
      }
    }
  }
}

/** Text as it is: a code block whose fence is longer than any run of its characters inside (CommonMark 0.31, 4.5). */
function fenced(text: string, info = 'text'): string {
  let longest = 2
  for (const [run] of text.matchAll(/`+/g)) longest = Math.max(longest, run.length)
  const fence = '`'.repeat(longest + 1)
  return `${fence}${info}\n${text}\n${fence}\n`
}
