import { dirname, posix } from 'node:path'

/** A page of the site. */
export interface Page {
  /** Path inside the repository of what it is made of; of generated pages, where it would be. */
  readonly source: string
  /** Path inside the site. */
  readonly path: string
  /** As the navigation calls it. */
  readonly name: string
}

/** The navigation: every page once, in the order of reading. */
export const SECTIONS: readonly { readonly name: string; readonly pages: readonly Page[] }[] = [
  {
    name: 'Begin',
    pages: [
      { source: 'README.md', path: 'index.html', name: 'Cytoplex' },
      { source: 'protocol/guides/operator.md', path: 'guides/operator.html', name: 'Operator in ten minutes' },
      { source: 'protocol/guides/assembler.md', path: 'guides/assembler.html', name: 'Assembler in ten minutes' },
      { source: 'protocol/guides/publisher.md', path: 'guides/publisher.html', name: 'Publisher in ten minutes' },
      { source: 'protocol/guides/auditor.md', path: 'guides/auditor.html', name: 'Auditor in ten minutes' },
      { source: 'protocol/guides/examples.md', path: 'guides/examples.html', name: 'Goals, questions, memory' },
      { source: 'protocol/guides/running.md', path: 'guides/running.html', name: 'Running a node, by topic' },
      { source: 'protocol/guides/comparison.md', path: 'guides/comparison.html', name: 'Compared with others' },
    ],
  },
  {
    name: 'Reference',
    pages: [
      { source: 'reference/api.md', path: 'reference/api.html', name: 'HTTP API' },
      { source: 'reference/cli.md', path: 'reference/cli.html', name: 'Command line' },
      { source: 'reference/sdk.md', path: 'reference/sdk.html', name: 'Client for JavaScript' },
      { source: 'reference/configuration.md', path: 'reference/configuration.html', name: 'Configuration' },
      { source: 'reference/errors.md', path: 'reference/errors.html', name: 'Errors' },
      { source: 'reference/metrics.md', path: 'reference/metrics.html', name: 'Metrics' },
    ],
  },
  {
    name: 'Protocol',
    pages: [
      { source: 'protocol/README.md', path: 'protocol.html', name: 'The contract' },
      { source: 'protocol/clients/README.md', path: 'clients/index.html', name: 'Clients' },
      { source: 'protocol/clients/python/README.md', path: 'clients/python.html', name: 'Client for Python' },
    ],
  },
  {
    name: 'Project',
    pages: [
      { source: 'SECURITY.md', path: 'security.html', name: 'Security and threat model' },
      { source: 'ARCHITECTURE.md', path: 'architecture.html', name: 'Architecture' },
      { source: 'scripts/bench/RESULTS.md', path: 'measurements.html', name: 'Measurements' },
      { source: 'scripts/simulate/RESULTS.md', path: 'simulations.html', name: 'Simulations' },
      { source: 'scripts/recall/RESULTS.md', path: 'recall.html', name: 'Recall' },
      { source: 'CONTRIBUTING.md', path: 'contributing.html', name: 'Contributing' },
      { source: 'CHANGELOG.md', path: 'changelog.html', name: 'Changes' },
    ],
  },
]

export const PAGES: readonly Page[] = SECTIONS.flatMap(({ pages }) => pages)
const BY_SOURCE = new Map(PAGES.map((page) => [page.source, page]))

/** Where a link leads. */
export interface Target {
  readonly href: string
  /** A file or folder of the repository that has to be copied for it; undefined for pages and other sites. */
  readonly file?: string
}

/** Where a link of a page leads in the site: to another page, or to a copy of a file under `files/`. */
export function targetOf(page: Page, href: string): Target {
  if (/^[a-z][a-z+.-]*:/i.test(href) || href.startsWith('#')) return { href }
  const [path = '', fragment] = href.split('#')
  const source = posix.normalize(posix.join(dirname(page.source), path)).replace(/\/$/, '')
  const other = BY_SOURCE.get(source)
  const end = fragment === undefined ? '' : `#${fragment}`
  if (other !== undefined) return { href: relative(page, other.path) + end }
  return { href: relative(page, `files/${source}`) + end, file: source }
}

/** A path of the site, as a page links to it: relative, so that the site works from a folder, too. */
export const relative = (page: Page, path: string): string => posix.relative(posix.dirname(page.path), path)
