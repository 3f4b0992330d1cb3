import { type TSchema, Type } from 'typebox'
import { Default } from 'typebox/value'
import { checkerOf } from '../base/checker.ts'
import { errorMessage } from '../base/errors.ts'
import { schemaRule } from '../base/schema-findings.ts'

/** Milliseconds that a factory may take when the configuration says nothing. */
const DEFAULT_TIMEOUT_MS = 30_000
/** Milliseconds at most: an hour. Timers do not go much beyond 24 days. */
const MAX_TIMEOUT_MS = 3_600_000

/** The fields that every provider's configuration may have. Provider registry, "Standard Configuration Structure". */
const STANDARD = {
  provider_name: Type.String({ description: 'Name of the provider.' }),
  api_key: Type.Optional(Type.String({ minLength: 1, description: 'Credential of a service that the provider asks.' })),
  endpoint: Type.Optional(Type.String({ minLength: 1, description: 'Address of that service.' })),
  timeout: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: MAX_TIMEOUT_MS,
      description: 'Milliseconds that one operation of the provider may take; creating it is one.',
    }),
  ),
}

/** The configuration of a provider: the standard fields, and its own beside them. Plain JSON. */
export interface ProviderConfig {
  readonly provider_name?: string
  readonly api_key?: string
  readonly endpoint?: string
  /** Milliseconds. */
  readonly timeout?: number
  readonly [field: string]: unknown
}

/** A provider's own fields, as TypeBox schemas by name. A field with the name of a standard one replaces it: `api_key` where it is required. */
export type ConfigFields = Readonly<Record<string, TSchema>>

/** Checks configurations of one provider. */
export interface ConfigCheck {
  /** JSON Schema. */
  readonly schema: TSchema
  /** A frozen copy with the defaults filled in. Throws an `Error` that names the field, and repeats no value: it may be a secret. */
  accept(config: ProviderConfig): ProviderConfig
}

/** Makes the check of the provider `name` with its own `fields`. */
export function configCheck(name: string, fields: ConfigFields): ConfigCheck {
  const schema = Type.Object({ ...STANDARD, ...fields }, { additionalProperties: false })
  const compiled = checkerOf(schema)
  return {
    schema,
    accept(config) {
      const copy = copyOf(config)
      const { provider_name = name } = copy
      if (provider_name !== name) throw new Error(`config.provider_name must be "${name}", or be left out`)
      const complete = Default(schema, { ...copy, provider_name })
      if (!compiled.Check(complete)) throw new Error(schemaRule('config', [...compiled.Errors(complete)]))
      return deepFreeze(complete)
    },
  }
}

/** Milliseconds that a factory with this configuration may take. */
export const timeoutOf = (config: ProviderConfig): number => config.timeout ?? DEFAULT_TIMEOUT_MS

function copyOf(config: ProviderConfig): Record<string, unknown> {
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw new Error('config must be an object')
  try {
    return structuredClone(config) as Record<string, unknown>
  } catch (error) {
    throw new Error(`config must be plain data: ${errorMessage(error)}`, { cause: error })
  }
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) deepFreeze(inner)
  return Object.freeze(value)
}
