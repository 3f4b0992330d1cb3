import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, it, type TestContext, test } from 'node:test'
import OpenAI from 'openai'
import { RegistryError } from '../../../src/kernel/plugins/errors.ts'
import { type Embeddings, embeddings } from '../../../src/kernel/plugins/packages/embeddings.ts'
import type { ProviderConfig } from '../../../src/kernel/plugins/provider-config.ts'
import { embeddingsSuite } from '../../../src/kernel/plugins/suites/embeddings.ts'
import { isolatedRegistry } from '../../../src/providers/built-in.ts'
import { type Asked, toldService } from '../../support/told-service.ts'

const registry = isolatedRegistry()
const create = (name: string, config: ProviderConfig = {}): Promise<Embeddings> =>
  registry.createProvider(embeddings, name, config)
const SIGNAL = AbortSignal.timeout(120_000)
const DIMENSIONS = 4

const cosine = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, at) => sum + value * b[at]!, 0)

type AskedOf = Asked<{ model: string; input: string[]; encoding_format: string }>

/** A service that makes embeddings as it is told. */
async function service(
  t: Pick<TestContext, 'after'>,
  answer: (asked: AskedOf, response: ServerResponse) => void = counting,
): Promise<{ config: ProviderConfig; asked: AskedOf[] }> {
  const { base_url, asked } = await toldService(t, answer)
  return { config: { base_url, model: 'm', dimensions: DIMENSIONS }, asked }
}

const send = (response: ServerResponse, body: unknown, status = 200): void => {
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify(body))
}

/** How many vowels there are; in another order than was asked for, and not of length 1, as services may. */
function counting({ body }: AskedOf, response: ServerResponse): void {
  const count = (text: string, letter: string): number => 1 + text.split(letter).length
  const data = body.input.map((text, index) => ({
    object: 'embedding',
    index,
    embedding: ['a', 'e', 'i', 'o'].map((letter) => count(text, letter)),
  }))
  send(response, { object: 'list', model: 'm', data: data.reverse() })
}

describe('the embeddings english', () => {
  embeddingsSuite({ test: (title, run) => it(title, () => run()), factory: () => create('english') })

  it('say that what means the same is alike, whatever its words', async () => {
    const english = await create('english')
    const [fibonacci, recursion, cake] = await english.embed(
      [
        'Create a Python function to calculate Fibonacci numbers',
        'Explain recursive algorithms',
        'Bake a chocolate cake',
      ],
      SIGNAL,
    )
    assert.equal(english.dimensions, 512)
    assert.ok(cosine(fibonacci!, recursion!) > cosine(fibonacci!, cake!) + 0.2)
    await english.close()
  })

  it('answer others when one of them gives up', async () => {
    const english = await create('english')
    const giving = new AbortController()
    const first = english.embed(['one'], SIGNAL)
    const second = english.embed(['two'], giving.signal)
    const third = english.embed(['three'], SIGNAL)
    giving.abort(new Error('given up'))
    await assert.rejects(second, /given up/)
    assert.deepEqual([(await first).length, (await third).length], [1, 1])
    await english.close()
  })

  it('refuse who waits when they are closed', async () => {
    const english = await create('english')
    const waiting = [english.embed(['one'], SIGNAL), english.embed(['two'], SIGNAL)]
    const refused = Promise.all(waiting.map((one) => assert.rejects(one, /were closed/)))
    await english.close()
    await refused
  })
})

describe('the embeddings openai-compatible', () => {
  let current: TestContext | undefined
  embeddingsSuite({
    test: (title, run) =>
      it(title, async (t) => {
        current = t as TestContext
        await run()
      }),
    factory: async () => create('openai-compatible', (await service(current!)).config),
  })

  it('ask with the model’s name, and send the key to nobody but the service', async (t) => {
    const { config, asked } = await service(t as TestContext)
    const remote = await create('openai-compatible', { ...config, api_key: 'secret' })
    const texts = Array.from({ length: 70 }, (_, at) => `text ${at}`)
    assert.equal((await remote.embed(texts, SIGNAL)).length, 70)
    assert.deepEqual(
      asked.map(({ body }) => body.input.length),
      [32, 32, 6],
    )
    const [{ path, headers, body } = assert.fail()] = asked
    assert.deepEqual([path, headers.authorization, body.model], ['/v1/embeddings', 'Bearer secret', 'm'])
    assert.ok(!JSON.stringify(body).includes('secret'))
    assert.equal(remote.model, 'openai-compatible/m/4')
  })

  it('read what the public client reads', async (t) => {
    const { config } = await service(t as TestContext)
    const client = new OpenAI({ baseURL: String(config.base_url), apiKey: 'k', maxRetries: 0 })
    const { data } = await client.embeddings.create({ model: 'm', input: ['aeio'], encoding_format: 'float' })
    const [vector] = await (await create('openai-compatible', config)).embed(['aeio'], SIGNAL)
    const expected = data[0]!.embedding
    const length = Math.hypot(...expected)
    for (const [at, value] of expected.entries()) assert.ok(Math.abs(value / length - vector![at]!) < 1e-6)
  })

  for (const [name, answer, expected] of [
    ['a status that is no success', (_, response) => send(response, { error: 'secret' }, 500), /status 500/],
    ['something else', (_, response) => send(response, { data: [{ index: 0 }] }), /something else/],
    [
      'vectors of other dimensions',
      (_, response) => send(response, { data: [{ index: 0, embedding: [1, 0] }] }),
      /2 dimensions; the configuration says 4/,
    ],
    ['fewer vectors', (_, response) => send(response, { data: [] }), /leaves out text 0 of 1/],
    [
      'a vector without direction',
      (_, response) => send(response, { data: [{ index: 0, embedding: [0, 0, 0, 0] }] }),
      /without direction/,
    ],
    [
      'more than vectors take',
      (_, response) => send(response, { data: [], rest: 'x'.repeat(200_000) }),
      /more than \d+ bytes/,
    ],
  ] as [string, (asked: AskedOf, response: ServerResponse) => void, RegExp][]) {
    it(`refuse ${name}, and repeat nothing of it`, async (t) => {
      const { config } = await service(t as TestContext, answer)
      const remote = await create('openai-compatible', config)
      await assert.rejects(remote.embed(['x'], SIGNAL), (error) => {
        assert.ok(error instanceof Error)
        assert.match(error.message, expected)
        assert.doesNotMatch(error.message, /secret/)
        return true
      })
    })
  }

  it('are not made without dimensions', async () => {
    await assert.rejects(create('openai-compatible', { base_url: 'http://127.0.0.1:9/v1', model: 'm' }), RegistryError)
  })
})

test('the embeddings that come with the node', () => {
  assert.deepEqual([...registry.listProviders('embeddings')], ['english', 'openai-compatible'])
})

test('what has no model, no dimensions or no method is no provider of embeddings', async () => {
  const whole = { model: 'm/1', dimensions: 3, unrelated: 0, embed: async () => [], close: async () => undefined }
  assert.equal(embeddings.misshapen(whole), undefined)
  const without = (change: object): string | undefined => embeddings.misshapen({ ...whole, ...change })
  assert.match(without({ embed: undefined }) ?? '', /no embed\(\)/)
  assert.match(without({ model: 'two words' }) ?? '', /no model/)
  assert.match(without({ dimensions: 0 }) ?? '', /no dimensions/)
  assert.match(without({ unrelated: 1 }) ?? '', /no unrelated/)
})
