import { parseDocument } from 'yaml'
import { StartError } from '../base/errors.ts'
import { flatSetting } from './flat-keys.ts'
import { CONFIG_KEYS, CONFIG_SECTIONS, findKey } from './keys.ts'
import { nearest } from './nearest.ts'
import type { Origin, Setting } from './setting.ts'

/**
 * Reads the settings of a configuration file. YAML 1.2, one document, a mapping of sections; a key that stands twice, an unknown key, a
 * tag or an anchor's abuse is a `StartError`. A section without a value is an empty one.
 */
export function readYaml(text: string, origin: Origin): Setting[] {
  const settings: Setting[] = []
  const flat: Setting[] = []
  for (const [name, value] of Object.entries(mapping(parse(text, origin), 'the file', origin))) {
    const alias = flatSetting(name, value, origin)
    if (alias !== undefined) {
      flat.push(...alias)
      continue
    }
    if (!CONFIG_SECTIONS.includes(name)) {
      settings.push(setting(name, value, origin))
      continue
    }
    for (const [key, inner] of Object.entries(mapping(value, name, origin))) {
      settings.push(setting(`${name}.${key}`, inner, origin))
    }
  }
  // A key's own name wins.
  return [...flat, ...settings]
}

function parse(text: string, origin: Origin): unknown {
  const document = parseDocument(text, { version: '1.2', strict: true, uniqueKeys: true, prettyErrors: true })
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem) throw new StartError(`${origin}: not valid YAML: ${firstLine(problem.message)}`)
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    throw new StartError(`${origin}: not valid YAML: ${firstLine(String(error))}`)
  }
}

function firstLine(message: string): string {
  return (message.split('\n')[0] ?? '').replace(/:$/, '')
}

function mapping(value: unknown, name: string, origin: Origin): Record<string, unknown> {
  if (value === null || value === undefined) return {}
  if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>
  throw new StartError(`${name} (${origin}): found ${JSON.stringify(value)}, allowed is a mapping of keys to values`)
}

function setting(name: string, value: unknown, origin: Origin): Setting {
  const key = findKey(name)
  if (key) return { key, value, origin }
  throw new StartError(`${name} (${origin}): no such key${suggestion(name)}`)
}

/** Suggests a key of the same name in another section first, then the nearest name. */
function suggestion(name: string): string {
  const names = CONFIG_KEYS.map((key) => key.name)
  const sameName = names.filter((other) => other.split('.').at(-1) === name.split('.').at(-1))
  const best = sameName.length === 1 ? sameName[0] : nearest(name, names)
  return best ? `; did you mean ${best}?` : '; `cytoplex config show` lists all keys'
}
