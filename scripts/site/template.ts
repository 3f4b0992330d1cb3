import { escapeHtml } from './html.ts'
import { type Page, relative, SECTIONS } from './pages.ts'

/** Nothing but the site's own style, script and pictures: also where a page is opened from a folder. */
const POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'"

/** A page around its content. */
export function wrap(page: Page, title: string, content: string): string {
  const root = relative(page, '.') || '.'
  const nav = SECTIONS.map(
    ({ name, pages }) => `<h2>${escapeHtml(name)}</h2>
<ul>
${pages.map((other) => `<li><a href="${relative(page, other.path)}"${other === page ? ' aria-current="page"' : ''}>${escapeHtml(other.name)}</a></li>`).join('\n')}
</ul>`,
  )
  return `<!doctype html>
<html lang="en" data-root="${root}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${escapeHtml(title === 'Cytoplex' ? title : `${title} · Cytoplex`)}</title>
<link rel="stylesheet" href="${relative(page, 'site.css')}">
<script src="${relative(page, 'search.js')}" defer></script>
</head>
<body>
<a class="skip" href="#content">To the content</a>
<nav aria-label="Pages">
<div role="search">
<label for="query">Search</label>
<input id="query" type="search" autocomplete="off" spellcheck="false" aria-controls="results">
<p id="count" role="status"></p>
<ol id="results" hidden></ol>
</div>
${nav.join('\n')}
</nav>
<main id="content">
${content}</main>
</body>
</html>
`
}
