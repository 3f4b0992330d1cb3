import type { ProviderRegistry } from '../../kernel/plugins/registry.ts'
import { createWasmEvaluator } from './wasm.ts'

/** The evaluators that come with the node. */
export function registerEvaluators(registry: ProviderRegistry): void {
  registry.registerProvider('evaluators', 'wasm', createWasmEvaluator, {
    capabilities: ['wasm'],
    features: ['fuel', 'fixed-memory', 'canonical-nan'],
    documentation:
      'Runs WebAssembly modules without imports, metered, in warm processes of the sandbox: the same verdict on every machine.',
  })
}
