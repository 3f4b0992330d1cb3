/**
 * A package of the provider registry: an extension point of the node. It says what every provider registered in it must be able to do.
 * Provider registry, "Overview".
 */
export interface PackageDefinition<Provider> {
  readonly name: string
  /** One sentence: what providers of this package do. */
  readonly documentation: string
  /** What is wrong with the form of what a factory returned, in words; undefined when it can do what this package asks for. */
  misshapen(provider: Provider): string | undefined
}

/** What is missing of an object: the names of methods that it lacks, in a sentence; undefined when none. */
export function lacking(value: object, methods: readonly string[]): string | undefined {
  const missing = methods.filter((method) => typeof (value as Record<string, unknown>)[method] !== 'function')
  return missing.length === 0 ? undefined : `it has no ${missing.map((method) => `${method}()`).join(', ')}`
}
