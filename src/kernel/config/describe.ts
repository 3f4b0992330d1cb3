import type { AdminKeyOrigin } from './admin-key.ts'
import { CONFIG_KEYS, type ConfigKey } from './keys.ts'
import type { LoadedConfig } from './load.ts'
import { isSecret } from './setting.ts'

/** A line of `cytoplex config show`. */
export interface DescribedSetting {
  /** Dotted. */
  readonly key: string
  readonly value: unknown
  /** `default`, `file PATH`, `environment NAME` or `flag --x`. */
  readonly origin: string
}

const MASK = '••••'

/**
 * The effective value of every key and where it came from, paths as they were resolved, and the administrator's key masked. The keys
 * stand in the schema's order.
 */
export function describeConfig({ config, origins }: LoadedConfig, adminKey: AdminKeyOrigin): DescribedSetting[] {
  const settings: DescribedSetting[] = CONFIG_KEYS.map((key) => ({
    key: key.name,
    value: shown(key, valueAt(config, key.name)),
    origin: origins.get(key.name) ?? 'default',
  }))
  return [...settings, { key: 'admin key', value: MASK, origin: adminKey }]
}

const shown = (key: ConfigKey, value: unknown): unknown => (isSecret(key) && value !== null ? MASK : masked(value))

/** Secrets of providers are in fields of this name. */
function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, name === 'api_key' ? MASK : masked(inner)]),
  )
}

function valueAt(config: object, name: string): unknown {
  let value: unknown = config
  for (const part of name.split('.')) value = (value as Readonly<Record<string, unknown>>)[part]
  return value
}
