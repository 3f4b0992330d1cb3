import { Type } from 'typebox'
import { checkerOf } from '../../kernel/base/checker.ts'
import { requestJson } from '../../kernel/egress/request-json.ts'
import type { Embeddings } from '../../kernel/plugins/packages/embeddings.ts'
import type { ProviderConfig } from '../../kernel/plugins/provider-config.ts'

/** Milliseconds for one answer when the configuration says nothing. */
const DEFAULT_TIMEOUT_MS = 20_000
/** UTF-16 code units of a text that are sent: below the 8,192 tokens that services take, in any language. */
const MAX_READ = 8000
/** Texts of one request. */
const AT_ONCE = 32
/** Bytes of a number in an answer, and of what stands around the numbers. */
const NUMBER_BYTES = 32
const REST_BYTES = 64 * 1024

const Answer = checkerOf(
  Type.Object({
    data: Type.Array(
      Type.Object({ index: Type.Integer({ minimum: 0 }), embedding: Type.Array(Type.Number(), { minItems: 1 }) }),
    ),
  }),
)

/** Any service with the `embeddings` endpoint of OpenAI's API. */
export function createOpenAiCompatibleEmbeddings(_signal: AbortSignal, config: ProviderConfig): Embeddings {
  const { timeout = DEFAULT_TIMEOUT_MS, api_key: key } = config
  const model = String(config.model)
  const dimensions = Number(config.dimensions)
  const url = `${String(config.base_url).replace(/\/+$/, '')}/embeddings`
  const closing = new AbortController()

  const ask = async (input: readonly string[], signal: AbortSignal): Promise<Float32Array[]> => {
    const { status, body } = await requestJson({
      url,
      method: 'POST',
      headers: key === undefined ? {} : { Authorization: `Bearer ${key}` },
      body: { model, input, encoding_format: 'float' },
      // The operator chose the address: a model often runs on the same machine.
      allowPrivate: true,
      deadlineMs: timeout,
      maxBytes: input.length * dimensions * NUMBER_BYTES + REST_BYTES,
      signal,
    })
    if (status !== 200) throw new Error(`the service of embeddings answers with status ${status}`)
    return vectorsOf(body, input.length, dimensions)
  }

  return {
    model: `openai-compatible/${model}/${dimensions}`,
    dimensions,
    unrelated: Number(config.unrelated),
    async embed(texts, signal) {
      const both = AbortSignal.any([signal, closing.signal])
      both.throwIfAborted()
      const input = texts.map(readable)
      const vectors: Float32Array[] = []
      for (let at = 0; at < input.length; at += AT_ONCE) {
        vectors.push(...(await ask(input.slice(at, at + AT_ONCE), both)))
      }
      return vectors
    },
    async close() {
      closing.abort(new Error('the embeddings were closed'))
    },
  }
}

/** Services refuse an empty text. */
const readable = (text: string): string => text.slice(0, MAX_READ).toWellFormed().trim() || '.'

function vectorsOf(body: unknown, count: number, dimensions: number): Float32Array[] {
  if (!Answer.Check(body)) throw new Error('the service of embeddings answers with something else than embeddings')
  const vectors = new Array<Float32Array | undefined>(count).fill(undefined)
  for (const { index, embedding } of body.data) {
    if (embedding.length !== dimensions) {
      throw new Error(`the model answers with ${embedding.length} dimensions; the configuration says ${dimensions}`)
    }
    if (index < count) vectors[index] = unit(embedding)
  }
  return vectors.map((vector, at) => {
    if (vector === undefined) throw new Error(`the service of embeddings leaves out text ${at} of ${count}`)
    return vector
  })
}

/** Of length 1: not all services see to that. */
function unit(values: readonly number[]): Float32Array {
  const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))
  if (!(length > 0 && Number.isFinite(length))) throw new Error('the model answers with a vector without direction')
  return Float32Array.from(values, (value) => value / length)
}
