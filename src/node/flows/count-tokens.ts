/** UTF-16 code units that are counted at once: what a token never crosses costs quadratic time where a text has no spaces. */
const SLICE = 512
/** Code units after which others get their turn: some three milliseconds. */
const TURN = 32 * 1024

type Encoding = typeof import('gpt-tokenizer/encoding/o200k_base')

let loading: Promise<Encoding> | undefined
/** Text that names a special token is text. */
const PLAIN = { disallowedSpecial: new Set<string>() }

/**
 * Tokens of a text as `o200k_base` cuts it, a little more where it has no spaces for a long time. The vocabulary takes 60 MB, and is loaded by the first
 * who counts.
 */
export async function countTokens(text: string): Promise<number> {
  loading ??= import('gpt-tokenizer/encoding/o200k_base')
  const { countTokens: count } = await loading
  let tokens = 0
  for (let start = 0, counted = 0; start < text.length; ) {
    const end = sliceEnd(text, start)
    tokens += count(text.slice(start, end), PLAIN)
    counted += end - start
    start = end
    if (counted < TURN) continue
    counted = 0
    await new Promise(setImmediate)
  }
  return tokens
}

/** Before the last space of a slice, which belongs to the word after it; else between two characters. */
function sliceEnd(text: string, start: number): number {
  const end = start + SLICE
  if (end >= text.length) return text.length
  const space = text.lastIndexOf(' ', end)
  if (space > start) return space
  return isHighSurrogate(text.charCodeAt(end - 1)) ? end - 1 : end
}

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00
