import { PACKAGES } from './packages/index.ts'
import { ProviderRegistry } from './registry.ts'

/** The registry that providers add themselves to when they are imported, and that nodes use unless they are given another. */
export const globalRegistry = new ProviderRegistry(PACKAGES)
