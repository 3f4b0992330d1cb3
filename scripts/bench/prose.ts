import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

const MODULES = new URL('../../node_modules/', import.meta.url).pathname
/** Bytes of one text, which is read whole. */
const MAX_BYTES = 200_000
const TEXT = /^(?:licen[cs]e|readme|changelog|contributing)[^/]*$/i
/** UTF-16 code units of a paragraph, and of a document. */
const MAX_PARAGRAPH = 3000
const DOCUMENT = 5000

/** Numbers below 1, the same every time. */
export function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state / 2 ** 32
  }
}

/** Documents of 5 KB, put together from paragraphs that people wrote: licences and descriptions that npm packages bring. */
export function documentTexts(count: number): string[] {
  const paragraphs = textsIn(MODULES)
    .flatMap((text) => text.split(/\n\s*\n/))
    .filter(({ length }) => length > 40)
  const next = numbers(1)
  return Array.from({ length: count }, (_, number) => {
    let text = `# Document ${number}\n\n`
    while (text.length < DOCUMENT)
      text += `${paragraphs[Math.floor(next() * paragraphs.length)]!.slice(0, MAX_PARAGRAPH)}\n\n`
    return text.toWellFormed()
  })
}

function textsIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return textsIn(path)
      if (!entry.isFile() || !(TEXT.test(entry.name) || entry.name.endsWith('.md')) || statSync(path).size > MAX_BYTES)
        return []
      return [readFileSync(path, 'utf8')]
    })
}
