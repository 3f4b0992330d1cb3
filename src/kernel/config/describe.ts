import type { AdminKeyOrigin } from './admin-key.ts'
import { CONFIG_KEYS } from './keys.ts'
import type { LoadedConfig } from './load.ts'

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
  const settings: DescribedSetting[] = CONFIG_KEYS.map(({ name }) => ({
    key: name,
    value: masked(valueAt(config, name), name.split('.').at(-1)),
    origin: origins.get(name) ?? 'default',
  }))
  return [...settings, { key: 'admin key', value: MASK, origin: adminKey }]
}

/** Secrets are in fields of this name, and of no other. */
const SECRET = 'api_key'

function masked(value: unknown, field?: string): unknown {
  if (value === null) return null
  if (field === SECRET) return MASK
  if (Array.isArray(value)) return value.map((item) => masked(item))
  if (typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, masked(inner, name)]))
}

function valueAt(config: object, name: string): unknown {
  let value: unknown = config
  for (const part of name.split('.')) value = (value as Readonly<Record<string, unknown>>)[part]
  return value
}
