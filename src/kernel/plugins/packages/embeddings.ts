import { lacking, type PackageDefinition } from '../package.ts'

/** Says what texts mean, as vectors: texts that mean the same have vectors in nearly the same direction. */
export interface Embeddings {
  /** What vectors are kept under, with its version: vectors of different models are never compared. 128 visible ASCII characters at most. */
  readonly model: string
  /** Numbers of a vector. */
  readonly dimensions: number
  /** Cosine that texts about different things have on the average, from 0 to below 1: what is above it says that they have something in common. */
  readonly unrelated: number
  /**
   * The vectors of texts, in their order, each of length 1: always the same for the same text, alone or among others. Of a text that is longer
   * than the model reads only the beginning counts. Gives up when the signal aborts.
   */
  embed(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]>
  /** Lets go of what it holds. What is asked afterwards rejects. */
  close(): Promise<void>
}

/** The package `embeddings`: a node uses one. */
export const embeddings: PackageDefinition<Embeddings> = {
  name: 'embeddings',
  documentation: 'Say what texts mean, so that what means the same is found whatever its words.',
  misshapen: (provider) =>
    lacking(provider, ['embed', 'close']) ??
    (isModel(provider.model) ? undefined : 'it has no model, which is 1 to 128 visible ASCII characters') ??
    (Number.isInteger(provider.dimensions) && provider.dimensions > 0 && provider.dimensions <= MAX_DIMENSIONS
      ? undefined
      : `it has no dimensions, which are a whole number from 1 to ${MAX_DIMENSIONS}`) ??
    (provider.unrelated >= 0 && provider.unrelated < 1 ? undefined : 'it has no unrelated, which is from 0 to below 1'),
}

/** Numbers of a vector at most: more than any model of today, and what an index of a session has room for. */
export const MAX_DIMENSIONS = 8192

const isModel = (model: unknown): boolean => typeof model === 'string' && /^[\x21-\x7e]{1,128}$/.test(model)
