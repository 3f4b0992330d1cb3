import { Type } from 'typebox'
import type { ProviderRegistry } from '../../kernel/plugins/registry.ts'
import { createLogNotifier } from './log.ts'
import { createWebhookNotifier } from './webhook.ts'

/** The notifiers that come with the node. */
export function registerNotifiers(registry: ProviderRegistry): void {
  registry.registerProvider('notifiers', 'log', createLogNotifier, {
    documentation: "Writes events to the node's log.",
  })
  // A factory has two arguments; the third is for tests.
  registry.registerProvider('notifiers', 'webhook', (signal, config) => createWebhookNotifier(signal, config), {
    features: ['webhooks'],
    documentation: 'Posts events to the URLs that operators registered, signed as Standard Webhooks has it.',
    config: {
      allow_private: Type.Boolean({
        default: false,
        description: 'Whether private and loopback addresses are called, without TLS too.',
      }),
    },
  })
}
