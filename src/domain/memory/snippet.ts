import { isWordUnit } from '../../kernel/text/tokens.ts'

/** UTF-16 code units of a snippet, without its ellipses. */
export const MAX_SNIPPET = 240
/** Of them before the first word that was looked for, where something stands before it. */
const LEAD = 48
/** Places of a text that are looked at: the first ones. */
const MAX_PLACES = 512
/** Part of a word that has to be the same: endings differ. */
const STEM = 0.7
/** Letters of it, at least. */
const LEAST_STEM = 3

/**
 * The part of a text with most of the words that were looked for, in whole words; its beginning where none of them stands in it. Every run of space
 * is one space; an ellipsis stands where something was left out. Markup of the text stays what it is: text.
 */
export function snippetOf(text: string, terms: readonly string[]): string {
  const { start, end } = text.length <= MAX_SNIPPET ? { start: 0, end: text.length } : windowOf(text, terms)
  const cut = text.slice(start, end).toWellFormed().replace(/\s+/gu, ' ').trim()
  return `${start > 0 ? '… ' : ''}${cut}${end < text.length ? ' …' : ''}`
}

function windowOf(text: string, terms: readonly string[]): { start: number; end: number } {
  const places = placesOf(text.toLowerCase(), terms)
  let first = places[0]?.at ?? 0
  let most = 0
  for (const [index, { at }] of places.entries()) {
    const inside = new Set<string>()
    for (let next = index; next < places.length && places[next]!.at < at + MAX_SNIPPET - LEAD; next++) {
      inside.add(places[next]!.stem)
    }
    if (inside.size <= most) continue
    most = inside.size
    first = at
  }
  const from = Math.min(Math.max(0, first - LEAD), text.length - MAX_SNIPPET)
  const start = from === 0 ? 0 : afterSpace(text, from, first)
  return { start, end: beforeSpace(text, start, Math.min(text.length, start + MAX_SNIPPET)) }
}

/** Where words begin that have the stem of one that was looked for, in order. */
function placesOf(text: string, terms: readonly string[]): { at: number; stem: string }[] {
  const places: { at: number; stem: string }[] = []
  for (const term of terms) {
    const stem = term.slice(0, Math.max(LEAST_STEM, Math.ceil(term.length * STEM)))
    let found = 0
    for (let at = text.indexOf(stem); at !== -1 && found < MAX_PLACES; at = text.indexOf(stem, at + stem.length)) {
      if (at > 0 && isWordUnit(text.charCodeAt(at - 1)) && isWordUnit(text.charCodeAt(at)) && isSpaced(text, at))
        continue
      places.push({ at, stem })
      found++
    }
  }
  return places.sort((a, b) => a.at - b.at).slice(0, MAX_PLACES)
}

/** Whether words are told apart by spaces there: kana and ideographs are not. */
const isSpaced = (text: string, at: number): boolean => {
  const unit = text.charCodeAt(at)
  return unit < 0x3040 || unit > 0xa000
}

/** The first word that begins at `from` or later, before `until`; a whole character where there is no space. */
function afterSpace(text: string, from: number, until: number): number {
  for (let at = from; at < until; at++) if (/\s/u.test(text[at - 1]!)) return at
  return isLowSurrogate(text, from) ? from + 1 : from
}

/** The end of the last word that ends at `to` or before, after `from`. */
function beforeSpace(text: string, from: number, to: number): number {
  if (to === text.length) return to
  for (let at = to; at > from + MAX_SNIPPET / 2; at--) if (/\s/u.test(text[at]!)) return at
  return isLowSurrogate(text, to) ? to - 1 : to
}

const isLowSurrogate = (text: string, at: number): boolean => (text.charCodeAt(at) & 0xfc00) === 0xdc00
