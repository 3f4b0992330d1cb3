import { StartError } from '../base/errors.ts'
import { findKey } from './keys.ts'
import { readText, type Setting } from './setting.ts'

/** The flag of each key that has one. */
export const FLAG_NAMES = {
  data_dir: '--data-dir',
  key_dir: '--key-dir',
  'http.host': '--http-host',
  'http.port': '--http-port',
  'http.public_url': '--public-url',
  'p2p.host': '--p2p-host',
  'p2p.port': '--p2p-port',
  'p2p.seeds': '--seed',
  'network.name': '--network',
  'log.level': '--log-level',
} as const satisfies Readonly<Record<string, string>>

/** Values of flags by key, as text. Undefined means that the flag was not given; a flag that repeats gives a list. */
export type Flags = { readonly [Name in keyof typeof FLAG_NAMES]?: string | readonly string[] | undefined }

/** The settings that flags make. */
export function readFlags(flags: Flags): Setting[] {
  const settings: Setting[] = []
  for (const [name, given] of Object.entries(flags)) {
    if (given === undefined) continue
    const key = findKey(name)
    if (!key || !(name in FLAG_NAMES)) throw new StartError(`${name}: no flag sets this key`)
    const text = typeof given === 'string' ? given : given.join(',')
    settings.push({
      key,
      origin: `flag ${FLAG_NAMES[name as keyof typeof FLAG_NAMES]}`,
      // An empty word after a path's flag is a shell variable that was not set, and must not mean the default.
      value: text === '' ? text : readText(key.schema, text),
    })
  }
  return settings
}
