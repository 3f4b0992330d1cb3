import assert from 'node:assert/strict'
import type { ChatOrder, ChatPart, Composition, Llm } from '../packages/llms.ts'
import type { TestRunner } from './test-runner.ts'

const SENTENCES = [
  'The licence ends when its conditions are broken.',
  'Copies that were made before stay licensed.',
  'No warranty is given.',
]

const COMPOSITION: Composition = {
  question: 'When does the licence end?',
  sources: [
    {
      publisher: 'a'.repeat(64),
      cell_type: 'licence',
      version: '1.0.0',
      sentences: SENTENCES.map((text, at) => ({ text, score: 3000 - 1000 * at })),
    },
  ],
  maxSentences: 3,
  maxCharacters: 500,
}

/**
 * What every provider of `llms` must do. `factory` makes one whose service, if it has one, quotes the sentence that fits best, and answers chats with
 * anything.
 */
export function llmSuite({ test, factory }: { test: TestRunner; factory: () => Llm | Promise<Llm> }): void {
  const compose = (llm: Llm, more: Partial<Composition> = {}, signal: AbortSignal = AbortSignal.timeout(20_000)) =>
    llm.compose({ ...COMPOSITION, ...more }, signal)

  test('says which model it is', async () => {
    const llm = await factory()
    assert.match(llm.model, /^[\x21-\x7e]{1,128}$/)
    await llm.close()
  })

  test('quotes the sentence that fits best, whole', async () => {
    const llm = await factory()
    assert.ok((await compose(llm)).includes(SENTENCES[0]!))
    await llm.close()
  })

  test('says nothing without sources', async () => {
    const llm = await factory()
    assert.equal((await compose(llm, { sources: [] })).trim(), '')
    await llm.close()
  })

  test('does nothing for somebody who has given up', async () => {
    const llm = await factory()
    await assert.rejects(compose(llm, {}, AbortSignal.abort(new Error('given up'))))
    await llm.close()
  })

  test('composes nothing once it is closed', async () => {
    const llm = await factory()
    await llm.close()
    await assert.rejects(compose(llm))
  })

  const orderFor = (llm: Llm): ChatOrder => ({
    model: llm.models()[0]!,
    messages: [{ role: 'user', content: COMPOSITION.question }],
    sources: async () => [{ kind: 'document', label: 'licence 1.0.0', sentences: COMPOSITION.sources[0]!.sentences }],
  })
  const chat = async (llm: Llm, signal: AbortSignal = AbortSignal.timeout(20_000)): Promise<ChatPart[]> => {
    const parts: ChatPart[] = []
    for await (const part of llm.chat(orderFor(llm), signal)) parts.push(part)
    return parts
  }

  test('says whether it spends a credential, and which models may be asked for', async () => {
    const llm = await factory()
    assert.equal(typeof llm.spendsCredential, 'boolean')
    assert.equal(typeof llm.writes, 'boolean')
    const models = llm.models()
    assert.ok(models.length > 0)
    assert.equal(new Set(models).size, models.length)
    for (const model of models) assert.match(model, /^[\x21-\x7e]{1,128}$/)
    await llm.close()
  })

  test('answers a chat with text, and ends it once', async () => {
    const llm = await factory()
    const parts = await chat(llm)
    const text = parts.map((part) => ('content' in part ? part.content : '')).join('')
    assert.notEqual(text, '')
    assert.deepEqual(
      parts.map((part) => 'finish' in part),
      parts.map((_, at) => at === parts.length - 1),
    )
    await llm.close()
  })

  test('answers no chat for somebody who has given up', async () => {
    const llm = await factory()
    const reason = new Error('given up')
    await assert.rejects(chat(llm, AbortSignal.abort(reason)), reason)
    await llm.close()
  })

  test('answers no chat once it is closed', async () => {
    const llm = await factory()
    await llm.close()
    await assert.rejects(chat(llm))
  })
}
