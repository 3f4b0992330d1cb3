/**
 * The provider registry as plugins import it (`cytoplex/plugins`). A plugin calls `registerProvider` when it is imported; ARCHITECTURE.md, "Adding
 * a provider", shows one.
 */
import { globalRegistry } from './global.ts'
import type { PackageDefinition } from './package.ts'
import type { ProviderConfig } from './provider-config.ts'
import type { ProviderDescription, ProviderFactory, ProviderInfo } from './registry.ts'

export { RegistryError, type RegistryErrorFacts, type RegistryErrorName } from './errors.ts'
export type { PackageDefinition } from './package.ts'
export type * from './packages/anchors.ts'
export { AnchorRefusal } from './packages/anchors.ts'
export type * from './packages/blob-stores.ts'
export type * from './packages/embeddings.ts'
export type * from './packages/evaluators.ts'
export { PACKAGES } from './packages/index.ts'
export type * from './packages/llms.ts'
export { LlmUnavailableError } from './packages/llms.ts'
export type * from './packages/notifiers.ts'
export { DeliveryFailure } from './packages/notifiers.ts'
export type * from './packages/proof-verifiers.ts'
export type * from './packages/rankers.ts'
export type * from './packages/validators.ts'
export type { ConfigFields, ProviderConfig } from './provider-config.ts'
export { type ProviderDescription, type ProviderFactory, type ProviderInfo, ProviderRegistry } from './registry.ts'

/** As {@link ProviderRegistry.registerProvider}, in the registry of this process. */
export const registerProvider = (
  packageName: string,
  providerName: string,
  factory: ProviderFactory,
  description?: ProviderDescription,
): void => globalRegistry.registerProvider(packageName, providerName, factory, description)

/** As {@link ProviderRegistry.createProvider}, in the registry of this process. */
export const createProvider = <Provider>(
  packageDefinition: PackageDefinition<Provider>,
  providerName: string,
  config?: ProviderConfig,
  signal?: AbortSignal,
): Promise<Provider> => globalRegistry.createProvider(packageDefinition, providerName, config, signal)

/** As {@link ProviderRegistry.listProviders}, in the registry of this process. */
export const listProviders = (packageName: string): readonly string[] => globalRegistry.listProviders(packageName)

/** As {@link ProviderRegistry.getProviderInfo}, in the registry of this process. */
export const getProviderInfo = (packageName: string, providerName: string): ProviderInfo =>
  globalRegistry.getProviderInfo(packageName, providerName)
