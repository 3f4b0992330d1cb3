import { plainText } from './html.ts'

/** Characters of a section that a result shows. */
const SNIPPET = 140

/** What the page's script searches: sections, and for each word the sections that have it. */
export interface SearchIndex {
  /** Path of the page with the section's id, title of page, heading, beginning of the text. */
  readonly sections: readonly (readonly [href: string, page: string, heading: string, text: string])[]
  /** By word, positions in `sections`: the first one, then the distances between them. */
  readonly words: Readonly<Record<string, readonly number[]>>
}

/** The words of a text, as the page's script reads a query. */
export const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}_]{2,40}/gu) ?? []

/** Pages as HTML become an index of their sections. */
export function searchIndex(pages: readonly { path: string; title: string; html: string }[]): SearchIndex {
  const sections: [string, string, string, string][] = []
  const found = new Map<string, number[]>()
  for (const { path, title, html } of pages) {
    for (const { id, heading, body } of sectionsOf(html)) {
      const at = sections.push([`${path}#${id}`, title, heading, body.slice(0, SNIPPET)]) - 1
      for (const word of new Set(wordsOf(`${heading} ${body}`))) {
        const places = found.get(word)
        if (places === undefined) found.set(word, [at])
        else places.push(at)
      }
    }
  }
  const words = [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([word, places]) => [word, places.map((at, i) => at - (places[i - 1] ?? 0))])
  return { sections, words: Object.fromEntries(words) }
}

function* sectionsOf(html: string): Generator<{ id: string; heading: string; body: string }> {
  const heads = [...html.matchAll(/<h[1-6] id="([^"]*)">([\s\S]*?)<\/h[1-6]>/g)]
  for (const [i, head] of heads.entries()) {
    const end = heads[i + 1]?.index ?? html.length
    const body = plainText(html.slice(head.index + head[0].length, end))
    yield { id: head[1]!, heading: plainText(head[2]!), body }
  }
}
