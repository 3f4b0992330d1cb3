import { Type } from 'typebox'
import { MAX_DIMENSIONS } from '../../kernel/plugins/packages/embeddings.ts'
import type { ProviderRegistry } from '../../kernel/plugins/registry.ts'
import { createEnglishEmbeddings } from './english.ts'
import { createOpenAiCompatibleEmbeddings } from './openai-compatible.ts'

/** The models of meaning that come with the node. */
export function registerEmbeddings(registry: ProviderRegistry): void {
  registry.registerProvider('embeddings', 'english', createEnglishEmbeddings, {
    features: ['deterministic', 'local'],
    documentation: 'A small model of English sentences, whose weights come with the node. Nothing leaves the machine.',
  })
  registry.registerProvider('embeddings', 'openai-compatible', createOpenAiCompatibleEmbeddings, {
    documentation: 'Asks a service with the embeddings endpoint of OpenAI. What was said in sessions is sent to it.',
    config: {
      base_url: Type.String({
        pattern: '^https?://[^\\s/@]+(/\\S*)?$',
        maxLength: 2048,
        description: 'Address of the service, before /embeddings.',
      }),
      model: Type.String({ pattern: '^[\\x21-\\x7e]{1,100}$', description: 'Name of the model there.' }),
      dimensions: Type.Integer({
        minimum: 1,
        maximum: MAX_DIMENSIONS,
        description: 'Numbers of a vector of that model.',
      }),
      unrelated: Type.Number({
        minimum: 0,
        exclusiveMaximum: 1,
        default: 0.2,
        description: 'Cosine that texts about different things have there on the average.',
      }),
    },
  })
}
