import { isLowerCase, isWordUnit, tokensOf } from './tokens.ts'

/**
 * Cuts texts into sentences by rules of its own, which never change under this name: protocol/README.md, "Sentences". A library's or the engine's
 * rules change with its data, and an answer must be the same years later.
 */
export const SEGMENTER = 'sentences/1'

/** A sentence, or another piece of text that stands by itself. */
export interface Sentence {
  /** UTF-16 code units of the text, end exclusive. */
  readonly start: number
  readonly end: number
  readonly kind: 'heading' | 'prose' | 'item'
  /** Whether an answer may quote it: a whole sentence, or an item of a list, of three words at least. */
  readonly isQuotable: boolean
}

/** UTF-16 code units of a sentence that is quoted: what is longer is no sentence. */
const MAX_SENTENCE = 2000
const MIN_WORDS = 3

/** Words before a full stop that do not end a sentence, in lower case. */
export const ABBREVIATIONS: readonly string[] = (
  'adm approx apr art arts aug bd capt cf ch cl cmdr col comdr dec dept dr ed eds eg e.g est feb fig figs gen gov hon i.e ie jan jul jun lt ' +
  'maj mar messrs mr mrs ms mt no nos nov oct op p para paras pp prof pt rep rev sec secs sen sep sept sgt st v vol vols vs'
).split(' ')
const ABBREVIATED = new Set(ABBREVIATIONS)

const FENCE = /^ {0,3}(`{3,}|~{3,})/
const HEADING = /^ {0,3}#{1,6}[ \t]+/
const UNDERLINE = /^ {0,3}(?:={3,}|-{3,})[ \t]*$/
const ITEM = /^[ \t]*(?:[-*+\u2022]|\d{1,3}[.)]|\(?(?:[a-z]|[ivx]{1,5}|\d{1,3})\))[ \t]+/
const QUOTE = /^[ \t]*(?:>[ \t]?)+/
/** Rows of tables, markup, pictures, and where links lead: nothing that is said in sentences. */
const NO_TEXT = /^[ \t]*(?:\||<|\[?!\[|\[[^\]]*\]:)/
/** May stand between the end of a sentence and the space after it. */
const CLOSERS = new Set('"\'”’)]}»*_`')
/** Space of every kind, said in full: what an engine takes for space may change. */
const SPACES = '\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff'
const SPACE = new RegExp(`[${SPACES}]`)
const SPACE_RUN = new RegExp(`[${SPACES}]+`, 'g')
const ONLY_SPACE = new RegExp(`^[${SPACES}]*$`)

interface Block {
  start: number
  end: number
  kind: Sentence['kind']
  lines: number
}

/** The sentences of a text, in order. None overlap; code, tables and markup are in none. */
export function sentencesOf(text: string): Sentence[] {
  const sentences: Sentence[] = []
  for (const block of blocksOf(text)) {
    if (block.kind === 'heading') sentences.push({ ...trimmed(text, block), kind: 'heading', isQuotable: false })
    else addSentences(sentences, text, block)
  }
  return sentences
}

/** Paragraphs, items and headings, in order. */
function* blocksOf(text: string): Generator<Block> {
  let block: Block | undefined
  let fence: string | undefined
  for (let start = 0; start < text.length; ) {
    const end = lineEnd(text, start)
    const line = text.slice(start, end)
    const at = start
    start = nextLine(text, end)
    if (fence !== undefined) {
      if (closes(line, fence)) fence = undefined
      continue
    }
    const opened = FENCE.exec(line)?.[1]
    const isUnderline = block?.lines === 1 && UNDERLINE.test(line)
    if (opened !== undefined || isUnderline || !hasWord(line) || NO_TEXT.test(line)) {
      fence = opened
      if (block !== undefined) yield isUnderline ? { ...block, kind: 'heading' } : block
      block = undefined
      continue
    }
    const heading = HEADING.exec(line)?.[0]
    const marker = heading ?? QUOTE.exec(line)?.[0] ?? ITEM.exec(line)?.[0]
    if (marker === undefined && block !== undefined) {
      block.end = end
      block.lines++
      continue
    }
    if (block !== undefined) yield block
    const isItem = heading === undefined && marker !== undefined && !marker.includes('>')
    const begun: Block = { start: at + (marker?.length ?? 0), end, kind: isItem ? 'item' : 'prose', lines: 1 }
    block = begun
    if (heading !== undefined) {
      yield { ...begun, kind: 'heading' }
      block = undefined
    }
  }
  if (block !== undefined) yield block
}

function lineEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit === 0x0a || unit === 0x0d || unit === 0x0c) return at
  }
  return text.length
}

const nextLine = (text: string, end: number): number =>
  text.charCodeAt(end) === 0x0d && text.charCodeAt(end + 1) === 0x0a ? end + 2 : end + 1

function closes(line: string, fence: string): boolean {
  const found = FENCE.exec(line)
  if (found === null || !found[1]!.startsWith(fence)) return false
  return ONLY_SPACE.test(line.slice(found[0].length))
}

function hasWord(line: string): boolean {
  for (let at = 0; at < line.length; at++) if (isWordUnit(line.charCodeAt(at))) return true
  return false
}

function addSentences(sentences: Sentence[], text: string, { start, end, kind }: Block): void {
  let from = start
  for (let at = start; at < end; at++) {
    const isWide = isWideEnd(text.charCodeAt(at))
    if (!isWide && !isEnd(text.charCodeAt(at))) continue
    let after = at + 1
    while (after < end && (isEnd(text.charCodeAt(after)) || CLOSERS.has(text[after]!))) after++
    if (after < end && !isWide && !SPACE.test(text[after]!)) continue
    if (after < end && !isWide && !endsSentence(text, from, at, after, end)) continue
    add(sentences, text, { start: from, end: after, kind }, true)
    from = after
    at = after - 1
  }
  if (from < end) add(sentences, text, { start: from, end, kind }, kind === 'item')
}

/** `.`, `!`, `?` and the ellipsis. */
const isEnd = (unit: number): boolean => unit === 0x2e || unit === 0x21 || unit === 0x3f || unit === 0x2026
/** The same where no space follows: ideographic full stop, full-width marks. */
const isWideEnd = (unit: number): boolean => unit === 0x3002 || unit === 0xff01 || unit === 0xff1f

function endsSentence(text: string, from: number, at: number, after: number, end: number): boolean {
  const mark = text.charCodeAt(at)
  if (mark !== 0x2e && mark !== 0x2026) return true
  let next = after
  while (next < end && SPACE.test(text[next]!)) next++
  if (next < end && isLowerCase(text.charCodeAt(next))) return false
  if (mark !== 0x2e || after !== at + 1) return true
  let first = at
  while (first > from && (isWordUnit(text.charCodeAt(first - 1)) || text[first - 1] === '.')) first--
  const word = text.slice(first, at)
  return !/^(?:[A-Za-z]\.)*[A-Za-z]$/.test(word) && !ABBREVIATED.has(word.toLowerCase())
}

function add(sentences: Sentence[], text: string, piece: Omit<Sentence, 'isQuotable'>, isWhole: boolean): void {
  const { start, end } = trimmed(text, piece)
  if (start === end) return
  const words = tokensOf(text, start, end).length
  if (words === 0) return
  const isQuotable = isWhole && words >= MIN_WORDS && end - start <= MAX_SENTENCE
  sentences.push({ start, end, kind: piece.kind, isQuotable })
}

/** Without space at both ends. */
function trimmed(
  text: string,
  range: { readonly start: number; readonly end: number },
): { start: number; end: number } {
  let { start, end } = range
  while (start < end && SPACE.test(text[start]!)) start++
  while (end > start && SPACE.test(text[end - 1]!)) end--
  return { start, end }
}

/** A sentence as an answer quotes it: every run of space is one space. */
export const quoted = (text: string): string => text.replace(SPACE_RUN, ' ').trim()
