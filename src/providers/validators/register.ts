import type { ProviderRegistry } from '../../kernel/plugins/registry.ts'
import { createContainerValidator } from './container.ts'
import { createDocumentValidator } from './document.ts'
import { createQccValidator } from './qcc.ts'
import { createWasmValidator } from './wasm.ts'

/** The validators that come with the node. */
export function registerValidators(registry: ProviderRegistry): void {
  registry.registerProvider('validators', 'wasm', createWasmValidator, {
    capabilities: ['wasm'],
    features: ['modules', 'components'],
    documentation:
      'Compiles WebAssembly modules in a thread, opens components in the sandbox, and lists imports and exports.',
  })
  registry.registerProvider('validators', 'container', createContainerValidator, {
    capabilities: ['container'],
    features: ['oci-image-layout', 'gzip', 'zstd'],
    documentation: 'Opens OCI image layouts (tar) in the sandbox: index, manifests, every blob and every layer.',
  })
  registry.registerProvider('validators', 'qcc', createQccValidator, {
    capabilities: ['qcc'],
    documentation: 'Opens archives (tar.gz with manifest.json) in the sandbox.',
  })
  registry.registerProvider('validators', 'document', createDocumentValidator, {
    capabilities: ['document'],
    features: ['text/*', 'application/json'],
    documentation: 'Reads documents: UTF-8 text, and strict JSON.',
  })
}
