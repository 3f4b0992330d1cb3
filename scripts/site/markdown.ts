import { Marked, type Tokens } from 'marked'
import { escapeHtml } from './html.ts'
import { type Page, targetOf } from './pages.ts'

/** A page as HTML, and the files of the repository that it links to. */
export interface Rendered {
  readonly html: string
  readonly files: readonly string[]
  readonly title: string
}

/** Ids of headings, as GitHub makes them: links within the repository work in both places. */
class Slugs {
  readonly #seen = new Map<string, number>()

  of(heading: string): string {
    const plain = heading.replaceAll(/<[^>]*>/g, '').replaceAll(/&[a-z#0-9]+;/g, '')
    const slug = plain
      .toLowerCase()
      .trim()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-')
    const count = this.#seen.get(slug) ?? 0
    this.#seen.set(slug, count + 1)
    return count === 0 ? slug : `${slug}-${count}`
  }
}

/** Renders Markdown of ours. HTML in it is shown as text, but for comments, which are dropped. */
export function renderMarkdown(page: Page, text: string): Rendered {
  const slugs = new Slugs()
  const files = new Set<string>()
  let title: string | undefined
  const link = (href: string): string => {
    const target = targetOf(page, href)
    if (target.file !== undefined) files.add(target.file)
    return escapeHtml(target.href)
  }
  const marked = new Marked({
    gfm: true,
    renderer: {
      heading({ tokens, depth }: Tokens.Heading): string {
        const inner = this.parser.parseInline(tokens)
        title ??= inner.replaceAll(/<[^>]*>/g, '')
        const id = escapeHtml(slugs.of(inner))
        return `<h${depth} id="${id}">${inner} <a class="anchor" href="#${id}" aria-label="Link to this section">#</a></h${depth}>\n`
      },
      link({ href, tokens }: Tokens.Link): string {
        return `<a href="${link(href)}">${this.parser.parseInline(tokens)}</a>`
      },
      image({ href, text: about }: Tokens.Image): string {
        return `<img src="${link(href)}" alt="${escapeHtml(about)}">`
      },
      code({ text: code, lang }: Tokens.Code): string {
        const language = lang === undefined || lang === '' ? '' : ` class="language-${escapeHtml(lang)}"`
        // A block that is wider than the page is scrolled, with the keyboard too.
        return `<pre tabindex="0"><code${language}>${escapeHtml(code)}</code></pre>\n`
      },
      html({ text: raw }: Tokens.HTML | Tokens.Tag): string {
        return /^\s*(<!--[\s\S]*?-->\s*)+$/.test(raw) ? '' : escapeHtml(raw)
      },
    },
  })
  const html = marked.parse(text, { async: false })
  // A table that is wider than the page is scrolled.
  const tables = html
    .replaceAll('<table>', '<div class="table" tabindex="0"><table>')
    .replaceAll('</table>', '</table></div>')
  return { html: tables, files: [...files], title: title ?? page.name }
}
