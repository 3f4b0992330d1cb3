/** Where one is: `#/page/part?name=value`. */
export interface Place {
  readonly page: string
  readonly parts: readonly string[]
  readonly query: URLSearchParams
}

/** Parts that are no valid percent-encoding stay as they are: anybody can make a link. */
export function readHash(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split(/\?(.*)/s)
  const [page = '', ...parts] = path.split('/').map(decoded)
  return {
    page: page === '' ? 'overview' : page,
    parts: parts.filter((part) => part !== ''),
    query: new URLSearchParams(query),
  }
}

/** The link to a place. Members of `query` that are undefined or empty are left out. */
export function linkTo(path: readonly string[], query: Readonly<Record<string, string | undefined>> = {}): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== '') search.set(name, value)
  const text = search.toString()
  return `#/${path.map(encodeURIComponent).join('/')}${text === '' ? '' : `?${text}`}`
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
