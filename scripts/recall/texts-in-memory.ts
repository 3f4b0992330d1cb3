import type { MemoryText, SessionTexts } from '../../src/domain/memory/recall.ts'

/** Texts of sessions without a store: for the evaluation, benchmarks and tests. */
export class TextsInMemory implements SessionTexts {
  readonly #sessions = new Map<string, Map<string, MemoryText>>()
  readonly #vectors = new Map<string, Map<string, Float32Array>>()

  add(sessionId: string, texts: readonly MemoryText[]): void {
    const held = this.#sessions.get(sessionId) ?? new Map<string, MemoryText>()
    this.#sessions.set(sessionId, held)
    for (const text of texts) held.set(text.key, text)
  }

  /** By keys of texts or ids of conversations. */
  remove(sessionId: string, keys: readonly string[]): void {
    const held = this.#sessions.get(sessionId)
    for (const [key, { conversationId }] of held ?? []) {
      if (keys.includes(key) || keys.includes(conversationId)) held!.delete(key)
    }
  }

  forget(sessionId: string): void {
    this.#sessions.delete(sessionId)
    for (const kept of this.#vectors.keys()) if (kept.startsWith(`${sessionId}!`)) this.#vectors.delete(kept)
  }

  async *texts(sessionId: string): AsyncGenerator<MemoryText> {
    yield* [...(this.#sessions.get(sessionId)?.values() ?? [])]
  }

  text(sessionId: string, key: string): MemoryText | undefined {
    return this.#sessions.get(sessionId)?.get(key)
  }

  async *vectors(sessionId: string, model: string): AsyncGenerator<readonly [string, Float32Array]> {
    yield* [...(this.#vectors.get(`${sessionId}!${model}`) ?? [])]
  }

  async keepVectors(sessionId: string, model: string, vectors: ReadonlyMap<string, Float32Array>): Promise<void> {
    const kept = this.#vectors.get(`${sessionId}!${model}`) ?? new Map<string, Float32Array>()
    this.#vectors.set(`${sessionId}!${model}`, kept)
    for (const [key, vector] of vectors) if (this.text(sessionId, key) !== undefined) kept.set(key, vector)
  }
}
