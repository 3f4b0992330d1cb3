import type { TSchema } from 'typebox'
import { ConfigSchema } from './schema.ts'

/** One key of the configuration. */
export interface ConfigKey {
  /** As in messages and {@link ConfigKey.schema}'s place: `http.port`. */
  readonly name: string
  /** `CYTOPLEX_HTTP_PORT`; undefined for keys that only a file may set. */
  readonly environment: string | undefined
  readonly schema: TSchema
}

/** Every key, in the order of the schema. */
export const CONFIG_KEYS: readonly ConfigKey[] = Object.entries(ConfigSchema.properties).flatMap(([name, schema]) =>
  'properties' in schema
    ? Object.entries(schema.properties).map(([key, inner]) => configKey(`${name}.${key}`, inner))
    : [configKey(name, schema)],
)

/** Names of the sections: keys that hold keys. */
export const CONFIG_SECTIONS: readonly string[] = Object.entries(ConfigSchema.properties)
  .filter(([, schema]) => 'properties' in schema)
  .map(([name]) => name)

const BY_NAME: ReadonlyMap<string, ConfigKey> = new Map(CONFIG_KEYS.map((key) => [key.name, key]))

/** The key with that dotted name. */
export function findKey(name: string): ConfigKey | undefined {
  return BY_NAME.get(name)
}

function configKey(name: string, schema: TSchema): ConfigKey {
  const isFileOnly = 'fileOnly' in schema && schema.fileOnly === true
  return { name, schema, environment: isFileOnly ? undefined : `CYTOPLEX_${name.replaceAll('.', '_').toUpperCase()}` }
}
