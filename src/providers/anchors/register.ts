import { Type } from 'typebox'
import type { ProviderRegistry } from '../../kernel/plugins/registry.ts'
import { createFileAnchor } from './file.ts'
import { createPeersAnchor } from './peers.ts'
import { createTauAnchor } from './tau.ts'

/** The anchors that come with the node. */
export function registerAnchors(registry: ProviderRegistry): void {
  registry.registerProvider('anchors', 'file', createFileAnchor, {
    features: ['durable'],
    documentation:
      'Appends each statement to a file as a line of JSON: best on another disk, or where only appending is allowed.',
    config: { path: Type.String({ minLength: 1, description: 'Absolute path of the file. Created when missing.' }) },
  })
  registry.registerProvider('anchors', 'peers', createPeersAnchor, {
    documentation: 'Collects the cosignatures of the witnesses among the peers.',
  })
  registry.registerProvider('anchors', 'tau', createTauAnchor, {
    documentation:
      'Sends each statement to a service over TCP, one line each, and keeps the receipt that it answers with.',
    config: {
      host: Type.String({ minLength: 1, description: 'Host name or IP address of the service.' }),
      port: Type.Integer({ minimum: 1, maximum: 65_535, description: 'Its TCP port.' }),
    },
  })
}
