import { Type } from 'typebox'
import type { ProviderRegistry } from '../../kernel/plugins/registry.ts'
import { createFileBlobStore } from './file.ts'
import { createMemoryBlobStore } from './memory.ts'

/** The blob stores that come with the node. */
export function registerBlobStores(registry: ProviderRegistry): void {
  registry.registerProvider('blob-stores', 'file', createFileBlobStore, {
    features: ['durable'],
    documentation: 'Keeps packages as files named by their digest; what it placed survives a power cut.',
    config: {
      directory: Type.String({ minLength: 1, description: 'Folder of the files. Created when missing.' }),
    },
  })
  registry.registerProvider('blob-stores', 'memory', createMemoryBlobStore, {
    documentation:
      'Keeps packages in memory: for tests, and for nodes whose data directory is thrown away, since its records outlive the packages.',
    config: {
      max_bytes: Type.Optional(
        Type.Integer({ minimum: 1, description: 'Bytes of all packages; 1073741824 (1 GiB) unless told otherwise.' }),
      ),
    },
  })
}
