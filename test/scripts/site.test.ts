import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runInNewContext } from 'node:vm'
import { ERRORS } from '../../protocol/errors.ts'
import { buildSite } from '../../scripts/site/build.ts'
import { PAGES } from '../../scripts/site/pages.ts'
import { createProgram } from '../../src/cli/program.ts'
import { CONFIG_KEYS } from '../../src/kernel/config/keys.ts'

const METRICS =
  '# HELP cytoplex_cells_registered_total Cells registered, by who signed\n# TYPE cytoplex_cells_registered_total counter\n'

describe('the documentation site', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cytoplex-site-'))
  const pages = new Map<string, string>()
  before(async () => {
    assert.equal(await buildSite({ folder, metrics: METRICS }), PAGES.length)
    for (const path of await readdir(folder, { recursive: true }))
      if (path.endsWith('.html')) pages.set(path, await readFile(join(folder, path), 'utf8'))
  })
  after(() => rm(folder, { recursive: true }))
  const text = (path: string): string => pages.get(path)!

  it('has every page, and each is named in the navigation of all', () => {
    for (const { path } of PAGES) assert.ok(pages.has(path), path)
    for (const [path, html] of pages) {
      const links = [...html.matchAll(/<li><a href="([^"]+)"/g)].map(([, href]) =>
        posix.join(posix.dirname(path), href!),
      )
      for (const page of PAGES) assert.ok(links.includes(page.path), `${path} lacks ${page.path}`)
    }
  })

  it('has no link that leads nowhere, to a page or within one', async () => {
    const files = new Set((await readdir(folder, { recursive: true })).map((path) => path.replaceAll('\\', '/')))
    let checked = 0
    for (const [path, html] of pages) {
      for (const [, , raw] of html.matchAll(/(href|src)="([^"]*)"/g)) {
        const href = raw!.replaceAll('&amp;', '&')
        if (/^https?:/.test(href)) continue
        const [file = '', fragment] = href.split('#')
        const target = file === '' ? path : posix.join(posix.dirname(path), decodeURIComponent(file))
        assert.ok(files.has(target), `${path} links to ${href}`)
        if (fragment !== undefined && target.endsWith('.html'))
          assert.ok(text(target).includes(` id="${decodeURIComponent(fragment)}"`), `${path} links to ${href}`)
        checked++
      }
    }
    assert.ok(checked > 1000, `${checked} links`)
  })

  it('needs nothing from elsewhere, and runs no script but its own', () => {
    for (const [path, html] of pages) {
      assert.match(
        html,
        /http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'self'; script-src 'self'/,
        path,
      )
      assert.doesNotMatch(html, /<script>|<style>| style="| on[a-z]+="|javascript:/, path)
      for (const [, source] of html.matchAll(/<(?:script|img|link)[^>]* (?:src|href)="([^"]*)"/g))
        assert.doesNotMatch(source!, /^[a-z]+:|^\/\//, path)
    }
  })

  it('refers to every key, error, verb and route', async () => {
    for (const { name } of CONFIG_KEYS) assert.ok(text('reference/configuration.html').includes(`>${name} <`), name)
    for (const code of Object.keys(ERRORS)) assert.ok(text('reference/errors.html').includes(code), code)
    for (const verb of createProgram().commands)
      assert.ok(text('reference/cli.html').includes(`>cytoplex ${verb.name()} <`), verb.name())
    const { paths } = JSON.parse(await readFile(join(import.meta.dirname, '../../protocol/openapi.json'), 'utf8')) as {
      paths: Record<string, object>
    }
    for (const path of Object.keys(paths)) assert.ok(text('reference/api.html').includes(path), path)
    assert.match(text('reference/metrics.html'), /cytoplex_cells_registered_total<\/code><\/td>\s*<td>counter/)
  })

  it('is searched in the page, without a server', async () => {
    const found: string[] = []
    const element = () => ({
      dataset: { root: '.' },
      children: [] as { href?: string; textContent: string }[],
      listener: undefined as undefined | (() => Promise<void>),
      value: '',
      textContent: '',
      hidden: true,
      onload: undefined as undefined | (() => void),
      addEventListener(_: string, listener: () => Promise<void>) {
        this.listener = listener
      },
      append(...inner: { href?: string; textContent: string }[]) {
        this.children.push(...inner)
        for (const { href } of inner) if (href !== undefined) found.push(href)
        for (const one of inner) (one as { onload?: () => void }).onload?.()
      },
      replaceChildren() {
        return undefined
      },
    })
    const input = element()
    const count = element()
    const head = element()
    const document = {
      documentElement: element(),
      head,
      getElementById: (id: string) => ({ query: input, results: element(), count })[id],
      createElement: element,
    }
    const context: Record<string, unknown> = { document }
    runInNewContext(await readFile(join(folder, 'search-index.js'), 'utf8'), context)
    runInNewContext(await readFile(join(folder, 'search.js'), 'utf8'), context)
    input.value = 'rate_per_min'
    await input.listener!()
    assert.ok(
      found.some((href) => href.startsWith('./reference/configuration.html#')),
      found.join(),
    )
    assert.match(count.textContent, /^\d+ sections/)
    input.value = 'xyzzyqwert'
    await input.listener!()
    assert.equal(count.textContent, '0 sections')
  })

  it('has an index that is loaded at once', async () => {
    assert.ok((await readFile(join(folder, 'search-index.js'))).length < 512 * 1024)
  })
})
