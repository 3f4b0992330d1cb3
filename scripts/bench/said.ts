import { createHash } from 'node:crypto'
import type { MemoryText } from '../../src/domain/memory/recall.ts'
import { documentTexts, numbers } from './prose.ts'

/** Turns of a conversation. */
const CONVERSATION = 20
/** UTF-16 code units of a turn, about. */
const TURN = 300
const START = Date.parse('2026-01-01T00:00:00Z')

/** Turns of real prose, cut from texts that come with the dependencies; each `seed` gives others. */
export function turns(count: number, seed: number): MemoryText[] {
  const chance = numbers(seed)
  const texts = prose()
  return Array.from({ length: count }, (_, at) => {
    const conversationId = `conv_${createHash('sha256')
      .update(`${seed} ${Math.floor(at / CONVERSATION)}`)
      .digest('hex')
      .slice(0, 32)}`
    const turnNumber = (at % CONVERSATION) + 1
    const text = texts[Math.floor(chance() * texts.length)]!
    const start = Math.floor(chance() * Math.max(1, text.length - TURN))
    return {
      key: `${conversationId}!${turnNumber}`,
      conversationId,
      turnNumber,
      agent: at % 2 === 0 ? 'user' : 'assistant',
      at: START + at * 60_000,
      text: text.slice(start, start + TURN).toWellFormed(),
    }
  })
}

let read: readonly string[] | undefined
function prose(): readonly string[] {
  read ??= documentTexts(1000)
  return read
}

/** Directions that a model might give: always the same ones. */
export function vectorsOf(texts: readonly MemoryText[], dimensions: number): Map<string, Float32Array> {
  return new Map(
    texts.map(({ key }, at) => {
      const chance = numbers(at + 1)
      const values = Float32Array.from({ length: dimensions }, () => chance() - 0.5)
      const length = Math.hypot(...values)
      return [key, values.map((value) => value / length)]
    }),
  )
}
