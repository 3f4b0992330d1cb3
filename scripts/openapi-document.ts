import { type TSchema, Type } from 'typebox'
import { Annotations, PackageReport, ValidationResults } from '../protocol/annotations.ts'
import { Alternative, Coverage, ErrorBody } from '../protocol/cells.ts'
import { ERRORS } from '../protocol/errors.ts'
import { Capability, Dependency, Manifest } from '../protocol/manifest.ts'
import { answersOf, failureOf } from '../src/http/answers.ts'
import type { Answer, Route } from '../src/http/route.ts'

type Json = Readonly<Record<string, unknown>>

/** Schemas that have a name of their own without carrying a title. */
const NAMED: Readonly<Record<string, TSchema>> = {
  Alternative,
  Annotations,
  Capability,
  Coverage,
  Dependency,
  ErrorBody,
  Manifest,
  PackageReport,
  ValidationResults,
}

/** JSON bodies that a node really answered with: by `METHOD /path` as the document writes it, and status. */
export type Examples = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/** The OpenAPI 3.1 document of a route table. The same table gives the same text. */
export function openApiDocument(routes: readonly Route[], examples: Examples): Json {
  const schemas = new Components()
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    if (route.hidden) continue
    const path = documentPath(route)
    const own = examples[`${route.method} ${path}`] ?? {}
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, schemas, own) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Cytoplex',
      version: 'v1',
      description: 'A provider node: answers for the cells of a whole federation.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        bearer: { type: 'http', scheme: 'bearer' },
      },
      schemas: schemas.all(),
    },
    'x-error-codes': ERRORS,
  }
}

const KEYS = [{ apiKey: [] }, { bearer: [] }]
/** Readers and contributors need a key only where the operator says so. */
const SESSION = [{ bearer: [] }]
const SECURITY = {
  open: [],
  contributor: [{}, ...KEYS],
  spending: [{}, ...KEYS],
  reader: [{}, ...KEYS],
  publisher: KEYS,
  admin: KEYS,
  'session:any': SESSION,
  'session:read': SESSION,
  'session:write': SESSION,
  'session:memory': SESSION,
} as const

/** `/api/v1/cells/request/{request_id}` */
export const documentPath = ({ path }: Pick<Route, 'path'>): string =>
  path.replace(/:([a-z_]+)/g, '{$1}').replace('*', '{path}')

function operation(route: Route, schemas: Components, examples: Examples[string]): Json {
  const answers: Record<string, unknown> = {}
  for (const [status, answer] of Object.entries(answersOf(route)))
    answers[status] = response(answer, schemas, examples[status])
  const failure = { 'application/json': { schema: schemas.use(failureOf(route)) } }
  answers.default = { description: 'Any other error', ...(route.method === 'HEAD' ? {} : { content: failure }) }
  const parameters = [
    ...inputs(route.params, 'path', schemas),
    ...(route.path.endsWith('*') ? [{ name: 'path', in: 'path', required: true, schema: { type: 'string' } }] : []),
    ...inputs(route.query, 'query', schemas),
    ...Object.entries(route.headers ?? {}).map(([name, description]) => ({
      name,
      in: 'header',
      description,
      schema: { type: 'string' },
    })),
  ]
  const body = route.body ?? route.multipart ?? (route.streamed === undefined ? undefined : BYTES)
  const mediaType = route.streamed ?? (route.body === undefined ? 'multipart/form-data' : 'application/json')
  return {
    operationId: route.operationId ?? operationId(route),
    summary: route.summary,
    tags: [route.family],
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { [mediaType]: { schema: schemas.use(body) } } } }),
    responses: answers,
    security: SECURITY[route.access],
  }
}

const BYTES = Type.String({ format: 'binary' })

/** `post_cells_request`, `get_repository_cells_by_cell_type`. */
function operationId({ method, path }: Route): string {
  const words = path
    .replace(/^\/api\/v[12]/, '')
    .replaceAll(':', 'by_')
    .split(/[^a-z_]+/)
  return [method.toLowerCase(), ...words.filter((word) => word !== '')].join('_')
}

function response({ description, schema, mediaType }: Answer, schemas: Components, example: unknown): Json {
  if (schema !== undefined) {
    const shown = example === undefined ? {} : { example }
    return { description, content: { 'application/json': { schema: schemas.use(schema), ...shown } } }
  }
  return mediaType === undefined ? { description } : { description, content: { [mediaType]: {} } }
}

function inputs(schema: TSchema | undefined, place: 'path' | 'query', schemas: Components): Json[] {
  const { properties = {}, required = [] } = (schema ?? {}) as {
    properties?: Record<string, TSchema>
    required?: string[]
  }
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: required.includes(name),
    schema: schemas.use(property),
  }))
}

/** Collects schemas that have a name, and refers to them. */
class Components {
  readonly #names = new Map<string, string>()
  readonly #schemas: Record<string, unknown> = {}

  constructor() {
    for (const [name, schema] of Object.entries(NAMED)) this.#names.set(JSON.stringify(schema), name)
  }

  /** `schema` as plain JSON, with references in place of what has a name. */
  use(schema: TSchema): unknown {
    return this.#convert(JSON.parse(JSON.stringify(schema)))
  }

  all(): Json {
    return Object.fromEntries(Object.entries(this.#schemas).sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  #convert(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map((item) => this.#convert(item))
    const name = this.#nameOf(value)
    if (name === undefined) return this.#members(value)
    if (!(name in this.#schemas)) {
      this.#schemas[name] = {}
      this.#schemas[name] = this.#members(value)
    }
    return { $ref: `#/components/schemas/${name}` }
  }

  #members(value: object): Json {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.#convert(item)]))
  }

  #nameOf(value: object): string | undefined {
    if ('title' in value && 'type' in value && typeof value.title === 'string') return value.title
    return this.#names.get(JSON.stringify(value))
  }
}
