import { Type } from 'typebox'
import type { ProviderRegistry } from '../../kernel/plugins/registry.ts'
import { createExtractiveLlm } from './extractive.ts'
import { createOpenAiCompatibleLlm } from './openai-compatible.ts'

/** The composers of answers that come with the node. */
export function registerLlms(registry: ProviderRegistry): void {
  registry.registerProvider('llms', 'extractive', createExtractiveLlm, {
    features: ['deterministic'],
    documentation:
      'Quotes the sentences that fit a question best, in chats too, and says so. Needs no model, and is the same on every node.',
  })
  registry.registerProvider('llms', 'openai-compatible', createOpenAiCompatibleLlm, {
    documentation:
      'Asks a service that speaks chat completions. Of composed answers only sentences of the sources stay; which, differs from time to time. Chats ' +
      'are answered by it as it is; `timeout` is then for each silence.',
    config: {
      base_url: Type.String({
        pattern: '^https?://[^\\s/@]+(/\\S*)?$',
        maxLength: 2048,
        description: 'Address of the service, before /chat/completions.',
      }),
      model: Type.String({ pattern: '^[\\x21-\\x7e]{1,100}$', description: 'Name of the model there.' }),
      max_tokens: Type.Integer({ minimum: 1, maximum: 32_768, default: 1024, description: 'Tokens of one answer.' }),
    },
  })
}
