import { copyFile, cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { clientReference } from '../client-reference.ts'
import { renderMarkdown } from './markdown.ts'
import { PAGES, type Page } from './pages.ts'
import { apiReference } from './reference-api.ts'
import { cliReference } from './reference-cli.ts'
import { configurationReference } from './reference-configuration.ts'
import { errorReference, metricReference } from './references.ts'
import { searchIndex } from './search-index.ts'
import { wrap } from './template.ts'

const ROOT = join(import.meta.dirname, '../..')
const ASSETS = join(import.meta.dirname, 'assets')

/** Builds the site into a folder, which is made anew. `metrics` is what a node's `/metrics` answered. Resolves with the number of pages. */
export async function buildSite({ folder, metrics }: { folder: string; metrics: string }): Promise<number> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const generated = new Map([
    ['reference/api.md', apiReference(JSON.parse(await source('protocol/openapi.json')))],
    ['reference/cli.md', cliReference()],
    ['reference/sdk.md', clientReference()],
    ['reference/configuration.md', configurationReference(await source('config/default.yaml'))],
    ['reference/errors.md', errorReference()],
    ['reference/metrics.md', metricReference(metrics)],
  ])
  const files = new Set<string>()
  const indexed = []
  for (const page of PAGES) {
    const text = generated.get(page.source) ?? (await source(page.source))
    const { html, title, files: linked } = renderMarkdown(page, text)
    for (const file of linked) files.add(file)
    indexed.push({ path: page.path, title: page.name, html })
    await write(folder, page.path, wrap(page, title, html))
  }
  for (const file of files) await copyLinked(folder, file)
  await write(folder, 'search-index.js', `globalThis.searchIndex = ${JSON.stringify(searchIndex(indexed))}\n`)
  await cp(ASSETS, folder, { recursive: true })
  return PAGES.length
}

const source = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8')

async function write(folder: string, path: string, text: string): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true })
  await writeFile(join(folder, path), text)
}

/** Copies a file of the repository that a page links to. Of a folder the files in it, and a page that lists them. */
async function copyLinked(folder: string, path: string): Promise<void> {
  const from = join(ROOT, path)
  if (path.startsWith('..')) throw new Error(`a page links to ${path}, which is outside the repository`)
  if (!(await stat(from)).isDirectory()) {
    await mkdir(dirname(join(folder, 'files', path)), { recursive: true })
    await copyFile(from, join(folder, 'files', path))
    return
  }
  const entries = await readdir(from, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isFile()).map(({ name }) => name)
  for (const name of names) await copyLinked(folder, `${path}/${name}`)
  // The link leads to the folder; static servers show its index, and so does a browser that opened the site from a disk.
  const page: Page = { source: `${path}/index.md`, path: `files/${path}/index.html`, name: path }
  const lines = names.map((name) => `<li><a href="${name}">${name}</a></li>`)
  await write(folder, page.path, wrap(page, path, `<h1>${path}</h1>\n<ul>\n${lines.join('\n')}\n</ul>\n`))
}
