import { type Static, Type } from 'typebox'

/** What is known of a provider in the provider registry. Provider registry, "ProviderInfo". Holds no secrets: schemas, never values. */
export const RegisteredProvider = Type.Object(
  {
    package: Type.String(),
    name: Type.String(),
    /** Comes with the node, or from a plugin. */
    type: Type.Union([Type.Literal('built_in'), Type.Literal('plugin')]),
    capabilities: Type.Array(Type.String()),
    /** JSON Schema of its configuration. */
    config_schema: Type.Object({}, { additionalProperties: true }),
    supported_features: Type.Array(Type.String()),
    /** For people. */
    documentation: Type.String(),
  },
  { title: 'RegisteredProvider' },
)
export type RegisteredProvider = Static<typeof RegisteredProvider>

/** One package of the provider registry: an extension point of the node. */
export const ProviderPackage = Type.Object(
  {
    package: Type.String(),
    documentation: Type.String(),
    /** Sorted. */
    providers: Type.Array(Type.String()),
    /** Providers that this node uses, in the order of its configuration. */
    in_use: Type.Array(Type.String()),
  },
  { title: 'ProviderPackage' },
)
export type ProviderPackage = Static<typeof ProviderPackage>

/** Every package, sorted by name. */
export const ProviderPackages = Type.Object({ packages: Type.Array(ProviderPackage) }, { title: 'ProviderPackages' })
export type ProviderPackages = Static<typeof ProviderPackages>
