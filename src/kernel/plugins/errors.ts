/** Names of the registry's errors. Provider registry, "Error Codes". */
export type RegistryErrorName =
  | 'ErrPackageNotFound'
  | 'ErrProviderExists'
  | 'ErrProviderNotFound'
  | 'ErrInvalidFactory'
  | 'ErrInvalidConfig'
  | 'ErrRegistrationFailed'
  | 'ErrProviderCreationFailed'
  | 'ErrRegistryAccessFailed'

/** What a {@link RegistryError} is about. */
export interface RegistryErrorFacts {
  readonly package?: string
  readonly provider?: string
  /** Names that exist where a name was not found. */
  readonly existing?: readonly string[]
  readonly cause?: unknown
}

/** Why the registry refused. `name` is one of the eight of the document; the message says what was found and what is allowed. */
export class RegistryError extends Error {
  override readonly name: RegistryErrorName
  readonly package: string | undefined
  readonly provider: string | undefined
  readonly existing: readonly string[] | undefined

  constructor(name: RegistryErrorName, message: string, facts: RegistryErrorFacts = {}) {
    super(message, 'cause' in facts ? { cause: facts.cause } : undefined)
    this.name = name
    this.package = facts.package
    this.provider = facts.provider
    this.existing = facts.existing
  }
}
