import { globalRegistry } from '../kernel/plugins/global.ts'
import { PACKAGES } from '../kernel/plugins/packages/index.ts'
import { ProviderRegistry } from '../kernel/plugins/registry.ts'
import { registerAnchors } from './anchors/register.ts'
import { registerBlobStores } from './blob-stores/register.ts'
import { registerEmbeddings } from './embeddings/register.ts'
import { registerEvaluators } from './evaluators/register.ts'
import { registerLlms } from './llms/register.ts'
import { registerNotifiers } from './notifiers/register.ts'
import { registerProofVerifiers } from './proof-verifiers/register.ts'
import { registerRankers } from './rankers/register.ts'
import { registerValidators } from './validators/register.ts'

/** Adds the providers that come with the node. They come first, so that no plugin takes their names. */
function registerBuiltIns(registry: ProviderRegistry): void {
  registerAnchors(registry)
  registerBlobStores(registry)
  registerNotifiers(registry)
  registerProofVerifiers(registry)
  registerEmbeddings(registry)
  registerEvaluators(registry)
  registerLlms(registry)
  registerRankers(registry)
  registerValidators(registry)
  registry.builtInsComplete()
}

/** A registry of its own with the providers that come with the node: for tests, and for several nodes in one process. */
export function isolatedRegistry(): ProviderRegistry {
  const registry = new ProviderRegistry(PACKAGES)
  registerBuiltIns(registry)
  return registry
}

// Importing this file is enough (Provider registry, "Auto-Registration via init()").
registerBuiltIns(globalRegistry)
