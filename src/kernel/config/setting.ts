import type { TSchema } from 'typebox'
import { Check } from 'typebox/value'
import { StartError } from '../base/errors.ts'
import type { ConfigKey } from './keys.ts'

/** Where a value came from: `default`, `file PATH`, `environment NAME` or `flag --x`. */
export type Origin = 'default' | `file ${string}` | `environment ${string}` | `flag ${string}`

/** A value for a key, as a source gave it. Text comes from sources that only have text. */
export interface Setting {
  readonly key: ConfigKey
  readonly origin: Origin
  readonly value: unknown
}

/** A value that a flag gave is wrong: a mistake in the command line. */
export class FlagError extends StartError {}

/** The parts of JSON Schema that the configuration uses. */
interface Shape {
  readonly type?: string
  readonly const?: unknown
  readonly anyOf?: readonly Shape[]
  readonly items?: Shape
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly description?: string
  readonly pattern?: string
}

/** Other spellings of log levels that the documents and other programs use. */
const LEVEL_ALIASES: Readonly<Record<string, string>> = { warning: 'warn', critical: 'fatal' }

/**
 * The typed value of a setting. Throws `StartError` ({@link FlagError} for flags) that names the key, where its value came from,
 * what was found and what is allowed.
 */
export function checkSetting(setting: Setting): unknown {
  const shape: Shape = setting.key.schema
  const value = normalise(shape, setting.value)
  if (!Check(setting.key.schema, value)) {
    const given = isSecret(setting.key) ? 'something else' : found(setting.value)
    const message = `${setting.key.name} (${setting.origin}): found ${given}, allowed is ${describe(shape)}`
    throw setting.origin.startsWith('flag ') ? new FlagError(message) : new StartError(message)
  }
  return value
}

/**
 * What a text from the environment or a flag means for this key: lists are separated by commas, and the empty text is the empty list,
 * or null where null is allowed. Text that fits no reading stays text, and is refused by {@link checkSetting}.
 */
export function readText(schema: TSchema, text: string): unknown {
  const shape: Shape = schema
  const trimmed = text.trim()
  if (shape.type === 'array') {
    return trimmed
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
  }
  if (trimmed === '' && shape.anyOf?.some((option) => option.type === 'null')) return null
  const isInteger = shape.type === 'integer' || shape.anyOf?.some((option) => option.type === 'integer')
  if (isInteger && /^-?\d{1,16}$/.test(trimmed)) return Number(trimmed)
  if (shape.type === 'boolean' && (trimmed === 'true' || trimmed === 'false')) return trimmed === 'true'
  return text
}

/** What a key allows, in words. */
export function describe(shape: Shape): string {
  if (shape.anyOf) {
    const words = shape.anyOf.filter((option) => option.const !== undefined).map((option) => String(option.const))
    const others = shape.anyOf.filter((option) => option.const === undefined).map(describe)
    return [...(words.length > 0 ? [`one of ${words.join(', ')}`] : []), ...others].join(', or ')
  }
  switch (shape.type) {
    case 'null':
      return 'null'
    case 'boolean':
      return 'true or false'
    case 'integer':
      return `a whole number from ${shape.minimum} to ${shape.maximum}`
    case 'array':
      return `a list, each item ${describe(shape.items ?? {})}`
    default:
      return describeText(shape)
  }
}

function describeText(shape: Shape): string {
  if (shape.description) return shape.description
  const atMost = shape.maxLength === undefined ? '' : ` of at most ${shape.maxLength} characters`
  return shape.minLength ? `a text${atMost} that is not empty` : `a text${atMost}`
}

/** Words of a fixed list are taken in any case. */
function normalise(shape: Shape, value: unknown): unknown {
  if (typeof value !== 'string' || !shape.anyOf) return value
  const word = value.trim().toLowerCase()
  const words = shape.anyOf.map((option) => option.const)
  const alias = LEVEL_ALIASES[word]
  if (words.includes(word)) return word
  return alias !== undefined && words.includes(alias) ? alias : value
}

/** Whether messages and lists keep the value of a key to themselves. */
export const isSecret = ({ name }: Pick<ConfigKey, 'name'>): boolean => /(?:^|\.)api_key$/.test(name)

const SHOWN = 80

function found(value: unknown): string {
  if (value === undefined || value === null) return 'null'
  const text = JSON.stringify(value)
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text
}
