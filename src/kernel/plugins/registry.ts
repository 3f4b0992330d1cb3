import type { RegisteredProvider } from '../../../protocol/providers.ts'
import { errorMessage } from '../base/errors.ts'
import { RegistryError } from './errors.ts'
import type { PackageDefinition } from './package.ts'
import { type ConfigCheck, type ConfigFields, configCheck, type ProviderConfig, timeoutOf } from './provider-config.ts'

/**
 * Makes a provider. `signal` fires when the caller gives up or the time is over; `config` is checked, complete and frozen.
 * Provider registry, "Standard Factory Function Signature".
 */
export type ProviderFactory<Provider = unknown> = (signal: AbortSignal, config: never) => Provider | Promise<Provider>

/** What a provider says about itself when it is registered. */
export interface ProviderDescription {
  readonly capabilities?: readonly string[]
  readonly features?: readonly string[]
  /** For people: a sentence or two, or a link. */
  readonly documentation?: string
  /** Fields of its configuration beside the standard ones. */
  readonly config?: ConfigFields
}

/** What is known of a registered provider. Provider registry, "ProviderInfo". */
export type ProviderInfo = RegisteredProvider

/** A provider that may hold something. */
interface Closable {
  close?(): unknown
}

interface Registered {
  readonly factory: ProviderFactory
  readonly check: ConfigCheck
  readonly info: ProviderInfo
}

interface Package {
  readonly definition: PackageDefinition<unknown>
  readonly providers: Map<string, Registered>
  /** Sorted and frozen; made anew when a provider is added. */
  names: readonly string[]
}

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/

/**
 * Which providers there are in each package, and how to make one. All but `createProvider` is synchronous: no other registration can come in
 * between, whoever registers at the same time. The specification: Provider registry, "Provider Registry Operations".
 */
export class ProviderRegistry {
  readonly #packages = new Map<string, Package>()
  #origin: ProviderInfo['type'] = 'built_in'
  #closed = false

  /** A registry of these packages, without providers. */
  constructor(packages: Iterable<PackageDefinition<never>>) {
    for (const definition of packages) {
      this.#packages.set(definition.name, {
        definition: definition as PackageDefinition<unknown>,
        providers: new Map(),
        names: [],
      })
    }
  }

  /** Names of the packages, sorted. */
  get packages(): readonly string[] {
    return [...this.#packages.keys()].sort()
  }

  /** What a package is for. Throws `ErrPackageNotFound`. */
  documentationOf(packageName: string): string {
    return this.#package(packageName).definition.documentation
  }

  /**
   * Adds a provider to a package. Throws `ErrPackageNotFound`; `ErrProviderExists`, never replacing the first; `ErrInvalidFactory`;
   * `ErrRegistrationFailed` when the name or the description cannot be used, or the registry is closed.
   */
  registerProvider(
    packageName: string,
    providerName: string,
    factory: ProviderFactory,
    description: ProviderDescription = {},
  ): void {
    const facts = { package: packageName, provider: providerName }
    if (this.#closed) throw new RegistryError('ErrRegistrationFailed', 'the registry is closed', facts)
    const found = this.#package(packageName)
    if (!NAME.test(providerName)) {
      throw new RegistryError(
        'ErrRegistrationFailed',
        `${JSON.stringify(providerName)} cannot name a provider: lower-case letters, digits, dots, underscores and hyphens, at most 64, the first a letter or digit`,
        facts,
      )
    }
    if (found.providers.has(providerName)) {
      throw new RegistryError('ErrProviderExists', `${packageName}/${providerName} is registered already`, facts)
    }
    if (typeof factory !== 'function') {
      throw new RegistryError(
        'ErrInvalidFactory',
        `the factory of ${packageName}/${providerName} is ${factory === null ? 'null' : typeof factory}, not a function`,
        facts,
      )
    }
    found.providers.set(providerName, this.#registered(packageName, providerName, factory, description))
    found.names = Object.freeze([...found.providers.keys()].sort())
  }

  /**
   * Makes an instance of a provider. The configuration is checked before the factory sees a frozen copy of it; the caller's stays as it is.
   * Throws `ErrPackageNotFound`, `ErrProviderNotFound`, `ErrInvalidConfig`, and `ErrProviderCreationFailed` when the factory throws, takes longer
   * than `config.timeout`, or returns what the package cannot use. What comes too late, or cannot be used, is closed.
   */
  async createProvider<Provider>(
    definition: PackageDefinition<Provider>,
    providerName: string,
    config?: ProviderConfig,
    signal?: AbortSignal,
  ): Promise<Provider>
  async createProvider(
    packageName: string,
    providerName: string,
    config?: ProviderConfig,
    signal?: AbortSignal,
  ): Promise<unknown>
  async createProvider(
    wanted: string | PackageDefinition<never>,
    providerName: string,
    config: ProviderConfig = {},
    signal?: AbortSignal,
  ): Promise<unknown> {
    const packageName = typeof wanted === 'string' ? wanted : wanted.name
    if (this.#closed) {
      const facts = { package: packageName, provider: providerName }
      throw new RegistryError('ErrProviderCreationFailed', 'the registry is closed', facts)
    }
    const { definition } = this.#package(packageName)
    const { factory, check } = this.#provider(packageName, providerName)
    const facts = { package: packageName, provider: providerName }
    let accepted: ProviderConfig
    try {
      accepted = check.accept(config)
    } catch (cause) {
      throw new RegistryError('ErrInvalidConfig', `${packageName}/${providerName}: ${errorMessage(cause)}`, {
        ...facts,
        cause,
      })
    }
    try {
      const provider = await created(factory, accepted, signal)
      const problem =
        typeof provider === 'object' && provider !== null ? definition.misshapen(provider) : 'it is no object'
      if (problem === undefined) return provider
      await (provider as Closable | null)?.close?.()
      throw new Error(`what the factory made cannot serve as ${packageName}: ${problem}`)
    } catch (cause) {
      throw new RegistryError(
        'ErrProviderCreationFailed',
        `${packageName}/${providerName} was not created: ${errorMessage(cause)}`,
        { ...facts, cause },
      )
    }
  }

  /** Names of a package's providers, sorted; frozen. Throws `ErrPackageNotFound`, and `ErrRegistryAccessFailed` when the registry is closed. */
  listProviders(packageName: string): readonly string[] {
    if (this.#closed) {
      throw new RegistryError('ErrRegistryAccessFailed', 'the registry is closed', { package: packageName })
    }
    return this.#package(packageName).names
  }

  /** What a provider says about itself; frozen, without secrets. Throws `ErrPackageNotFound` and `ErrProviderNotFound`. */
  getProviderInfo(packageName: string, providerName: string): ProviderInfo {
    return this.#provider(packageName, providerName).info
  }

  /** From here on, what is registered is a plugin. Told by the node once it has registered its own. */
  builtInsComplete(): void {
    this.#origin = 'plugin'
  }

  /** Refuses every further registration, creation and list. */
  close(): void {
    this.#closed = true
  }

  #registered(
    packageName: string,
    name: string,
    factory: ProviderFactory,
    { capabilities = [], features = [], documentation = '', config = {} }: ProviderDescription,
  ): Registered {
    try {
      const check = configCheck(name, config)
      const info: ProviderInfo = {
        package: packageName,
        name,
        type: this.#origin,
        capabilities: [...capabilities].map(String),
        // A plain JSON Schema, without what the library keeps in it for itself.
        config_schema: JSON.parse(JSON.stringify(check.schema)) as object,
        supported_features: [...features].map(String),
        documentation: String(documentation),
      }
      return { factory, check, info: Object.freeze(info) }
    } catch (cause) {
      throw new RegistryError(
        'ErrRegistrationFailed',
        `the description of ${packageName}/${name} cannot be used: ${errorMessage(cause)}`,
        { package: packageName, provider: name, cause },
      )
    }
  }

  #package(name: string): Package {
    const found = this.#packages.get(name)
    if (found !== undefined) return found
    const existing = this.packages
    throw new RegistryError(
      'ErrPackageNotFound',
      `there is no package ${JSON.stringify(name)}; there are ${existing.join(', ')}`,
      { package: String(name), existing },
    )
  }

  #provider(packageName: string, name: string): Registered {
    const { providers, names } = this.#package(packageName)
    const found = providers.get(name)
    if (found !== undefined) return found
    throw new RegistryError(
      'ErrProviderNotFound',
      `there is no provider ${JSON.stringify(name)} in ${packageName}; there ${names.length === 0 ? 'is none' : `are ${names.join(', ')}`}`,
      { package: packageName, provider: String(name), existing: names },
    )
  }
}

/** Calls a factory within its time. A provider that comes after that is closed, for nobody would. */
async function created(
  factory: ProviderFactory,
  config: ProviderConfig,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  signal?.throwIfAborted()
  const milliseconds = timeoutOf(config)
  const over = new AbortController()
  const timer = setTimeout(() => over.abort(new Error(`not ready within ${milliseconds} ms`)), milliseconds)
  const giveUp = (): void => over.abort(signal?.reason)
  signal?.addEventListener('abort', giveUp, { once: true })
  const { promise: ended, reject } = Promise.withResolvers<never>()
  over.signal.addEventListener('abort', () => reject(over.signal.reason), { once: true })
  const making = (async () => factory(over.signal, config as never))()
  try {
    return await Promise.race([making, ended])
  } catch (error) {
    making
      .then(
        (late) => (late as Closable | null)?.close?.(),
        () => undefined,
      )
      .catch(() => undefined)
    throw error
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', giveUp)
  }
}
