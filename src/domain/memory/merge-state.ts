import type { AgentState } from '../../../protocol/memory.ts'
import { equalJson } from '../../kernel/base/equal-json.ts'
import { memoryError } from './errors.ts'

/** What the name of a field begins with whose value is one more item of a list. */
const APPENDED = 'new_'

/** A state after an update, and the fields at its top that changed, in the order in which the update names them. */
export interface MergedState {
  readonly state: AgentState
  readonly changed: readonly string[]
}

/**
 * Merges an update into a state: JSON Merge Patch (RFC 7396), but that `new_<x>` at the top, unless it is null, is appended to the list `<x>` where there is one, else
 * to the list `<x>s`. Throws `INVALID_REQUEST` where `<x>s` is no list.
 */
export function mergeState(state: AgentState, updates: AgentState): MergedState {
  let merged: AgentState = state
  const changed = new Set<string>()
  for (const [name, value] of Object.entries(updates)) {
    const [field, next] = value !== null && isAppended(name) ? appended(merged, name, value) : [name, value]
    const before = own(merged, field)
    const after = next === null ? undefined : patched(before, next)
    if (equalJson(before, after)) continue
    changed.add(field)
    merged = withField(merged, field, after)
  }
  return { state: merged, changed: [...changed] }
}

const isAppended = (name: string): boolean => name.startsWith(APPENDED) && name.length > APPENDED.length

function appended(state: AgentState, name: string, item: unknown): [field: string, list: unknown] {
  const one = name.slice(APPENDED.length)
  const field = Array.isArray(own(state, one)) ? one : `${one}s`
  const list = own(state, field) ?? []
  if (!Array.isArray(list)) {
    throw memoryError('INVALID_REQUEST', `state_updates.${name}: found a field ${field} that is no list to add it to`)
  }
  return [field, [...list, item]]
}

/** RFC 7396, section 2. */
function patched(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  let result: AgentState = isObject(target) ? target : {}
  for (const [name, value] of Object.entries(patch)) {
    result = withField(result, name, value === null ? undefined : patched(own(result, name), value))
  }
  return result
}

/** A copy in which a field has a value, or is gone; whatever its name is, it is a field like others. */
function withField(object: AgentState, name: string, value: unknown): AgentState {
  const fields = new Map(Object.entries(object))
  if (value === undefined) fields.delete(name)
  else fields.set(name, value)
  return Object.fromEntries(fields)
}

const own = (object: AgentState, name: string): unknown => (Object.hasOwn(object, name) ? object[name] : undefined)

const isObject = (value: unknown): value is AgentState =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
