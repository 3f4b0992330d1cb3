import { MEMORY_LIMITS } from '../../../protocol/memory.ts'
import { type ExportedTurn, SessionFile } from '../../../protocol/memory-export.ts'
import { checkerOf } from '../../kernel/base/checker.ts'
import { type SchemaError, schemaFinding } from '../../kernel/base/schema-findings.ts'
import { memoryError } from './errors.ts'

const schema = checkerOf(SessionFile)

/** Hours that a time of a file may be ahead: clocks differ, time zones that were mistaken for UTC too. */
const AHEAD_MS = 24 * 60 * 60 * 1000

/** A file whose every part may be stored. Times are ISO 8601 that `Date.parse` reads. Throws `INVALID_REQUEST`. */
export function checkedFile(file: unknown, now: number): SessionFile {
  if (!schema.Check(file)) throw invalid(schemaFinding('body', file, schema.Errors(file) as SchemaError[]))
  const time = (text: string, name: string): number => {
    const ms = Date.parse(text)
    if (Number.isNaN(ms)) throw invalid(`${name}: found ${shown(text)}, which is no time of ISO 8601`)
    if (ms < 0 || ms > now + AHEAD_MS)
      throw invalid(`${name}: found ${shown(text)}, allowed are times from 1970 on that have come`)
    return ms
  }
  time(file.session.created_at, 'session.created_at')
  for (const [at, { created_at }] of file.summaries.entries()) time(created_at, `summaries.${at}.created_at`)
  const agents = new Set<string>()
  for (const [at, { agent, state, last_updated }] of file.agent_states.entries()) {
    time(last_updated, `agent_states.${at}.last_updated`)
    bounded(state, MEMORY_LIMITS.agentStateBytes, `agent_states.${at}.state`)
    if (agents.has(agent)) throw invalid(`agent_states.${at}.agent: found ${shown(agent)} again`)
    agents.add(agent)
  }
  for (const [at, { created_at, completed_at, turns }] of file.conversations.entries()) {
    const name = `conversations.${at}`
    time(created_at, `${name}.created_at`)
    if (completed_at !== null) time(completed_at, `${name}.completed_at`)
    checkTurns(turns, `${name}.turns`, time)
  }
  return file
}

/** Numbers rise, and times do not fall: retention relies on it. */
function checkTurns(turns: readonly ExportedTurn[], name: string, time: (text: string, name: string) => number): void {
  let number = 0
  let last = 0
  for (const [at, turn] of turns.entries()) {
    const said = time(turn.timestamp, `${name}.${at}.timestamp`)
    if (turn.turn_number <= number) {
      throw invalid(`${name}.${at}.turn_number: found ${turn.turn_number} after ${number}, allowed are rising numbers`)
    }
    if (said < last)
      throw invalid(`${name}.${at}.timestamp: found ${shown(turn.timestamp)}, which is before the turn before it`)
    bounded(turn.metadata ?? {}, MEMORY_LIMITS.metadataBytes, `${name}.${at}.metadata`)
    number = turn.turn_number
    last = said
  }
}

function bounded(value: object, most: number, name: string): void {
  const bytes = Buffer.byteLength(JSON.stringify(value))
  if (bytes > most) throw invalid(`${name}: found ${bytes} bytes of JSON, allowed are ${most}`)
}

const shown = (text: string): string => JSON.stringify(text.slice(0, 40))

const invalid = (message: string): Error => memoryError('INVALID_REQUEST', message)
