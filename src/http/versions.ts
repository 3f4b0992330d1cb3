import { BETA_VERSION, type DeprecatedRoute } from '../../protocol/versions.ts'
import type { Route } from './route.ts'
import { ROUTES } from './routes.ts'

const VERSION = /^\/api\/([^/?#]*)/

/** Versions of the API that there is something of, in order. */
const served = (): string[] => [...new Set(ROUTES.flatMap(({ path }) => VERSION.exec(path)?.[1] ?? []))].sort()

/** Words about the version that a path names, where nothing is served of it; undefined for any other path. */
export function unservedVersion(path: string): string | undefined {
  const version = VERSION.exec(path)?.[1]
  if (version === undefined || served().includes(version)) return undefined
  const versions = served().map((name) => `/api/${name}/`)
  const beta = version === BETA_VERSION ? 'nothing is tried out now' : 'no such version of the API'
  return `${beta}: found /api/${version.slice(0, 32)}/, allowed ${versions.length === 1 ? 'is' : 'are'} ${versions.join(', ')}`
}

/** The headers about a route's end, names and values in turn; none where it stays. RFC 9745, RFC 8594, RFC 8288. */
export function endOf({ method, path }: Pick<Route, 'method' | 'path'>, table: readonly DeprecatedRoute[]): string[] {
  const documented = path.replaceAll(/:([a-z_]+)/g, '{$1}')
  const entry = table.find((one) => one.method === method && one.path === documented)
  if (entry === undefined) return []
  const { deprecated, sunset, guide } = entry
  return [
    'Deprecation',
    `@${Math.floor(Date.parse(deprecated) / 1000)}`,
    'Sunset',
    new Date(sunset).toUTCString(),
    'Link',
    `<${guide}>; rel="deprecation"`,
  ]
}
