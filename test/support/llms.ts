import type { ChatPart, Llm } from '../../src/kernel/plugins/packages/llms.ts'

/** A composer of which a test says what matters to it; everything else it does not do. */
export function fakeLlm<Part extends Partial<Llm>>(part: Part): Llm & Part {
  return {
    model: 'test/1',
    spendsCredential: false,
    writes: false,
    models: () => ['test'],
    compose: async () => '',
    async *chat(): AsyncGenerator<ChatPart> {
      yield { finish: 'stop' }
    },
    close: async () => undefined,
    ...part,
  }
}
