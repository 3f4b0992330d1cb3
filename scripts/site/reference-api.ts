import { table } from './references.ts'

/** What of an OpenAPI document this reads. */
interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly description?: string
  readonly pattern?: string
  readonly default?: unknown
  readonly [limit: string]: unknown
}
type Content = Readonly<Record<string, { readonly schema?: Schema }>>
interface Operation {
  readonly summary?: string
  readonly description?: string
  readonly tags?: readonly string[]
  readonly deprecated?: boolean
  readonly parameters?: readonly {
    readonly name: string
    readonly in: string
    readonly required?: boolean
    readonly description?: string
    readonly schema?: Schema
  }[]
  readonly requestBody?: { readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly description?: string; readonly content?: Content }>>
  readonly security?: readonly Readonly<Record<string, unknown>>[]
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

const LIMITS = [
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'maxProperties',
  'format',
] as const

/** Every route and every named schema of `openapi.json`. */
export function apiReference(json: unknown): string {
  const { paths, components } = json as Document
  const byTag = new Map<string, string[]>()
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const tag = operation.tags?.[0] ?? 'other'
      byTag.set(tag, [...(byTag.get(tag) ?? []), operationText(method, path, operation)])
    }
  }
  const schemas = Object.entries(components.schemas).map(([name, schema]) => schemaText(name, schema))
  return `# HTTP API

The description that machines read is [openapi.json](../protocol/openapi.json); a running node shows it at \`/docs\`. What the fields mean between implementations is in
[the contract](../protocol/README.md). Clients for other languages: [generated from it](../protocol/clients/README.md).

${[...byTag].map(([tag, texts]) => `## ${tag}\n\n${texts.join('\n')}`).join('\n')}
## Schemas

${schemas.join('\n')}`
}

function operationText(method: string, path: string, operation: Operation): string {
  const { summary = '', description, parameters = [], requestBody, responses, security = [], deprecated } = operation
  const keys = security.flatMap((one) => Object.keys(one))
  const parts = [
    `### ${method.toUpperCase()} ${path}`,
    `${deprecated ? '**Going away.** ' : ''}${summary}.`,
    ...(description === undefined ? [] : [description]),
    keys.length === 0 ? 'Needs no key by default.' : `Credential: ${keys.map((key) => `\`${key}\``).join(' or ')}.`,
  ]
  if (parameters.length > 0) {
    const rows = parameters.map(({ name, in: place, required, description: about, schema }) => [
      `\`${name}\``,
      place,
      required ? 'yes' : 'no',
      typeOf(schema ?? {}),
      about ?? schema?.description ?? '',
    ])
    parts.push(table(['parameter', 'in', 'required', 'type', 'what'], rows))
  }
  if (requestBody !== undefined) parts.push(`Body: ${contentText(requestBody.content)}.`)
  const rows = Object.entries(responses).map(([status, { description: about = '', content }]) => [
    `\`${status}\``,
    about,
    content === undefined ? '' : contentText(content),
  ])
  parts.push(table(['status', 'what', 'body'], rows))
  return `${parts.join('\n\n')}\n`
}

const contentText = (content: Content): string =>
  Object.entries(content)
    .map(([type, { schema }]) => (schema === undefined ? `\`${type}\`` : `\`${type}\`: ${typeOf(schema)}`))
    .join(', or ')

function schemaText(name: string, schema: Schema): string {
  const about = schema.description === undefined ? [] : [schema.description]
  const body =
    schema.properties === undefined
      ? typeOf(schema)
      : table(
          ['member', 'type', 'required', 'what'],
          Object.entries(schema.properties).map(([member, inner]) => [
            `\`${member}\``,
            typeOf(inner),
            schema.required?.includes(member) ? 'yes' : 'no',
            inner.description ?? '',
          ]),
        )
  return `${[`### ${name}`, ...about, body].join('\n\n')}\n`
}

/** A type in a few words, with a link to what has a name. */
function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split('/').at(-1)!
    return `[${name}](#${name.toLowerCase()})`
  }
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(' or ')
  const several = schema.anyOf ?? schema.allOf
  if (several !== undefined)
    return [...new Set(several.map(typeOf))].join(schema.anyOf === undefined ? ' and ' : ' or ')
  if (schema.type === 'array') return `list of ${typeOf(schema.items ?? {})}${limits(schema)}`
  if (schema.type === 'object' && schema.properties !== undefined) {
    const members = Object.entries(schema.properties).map(
      ([name, inner]) => `\`${name}${schema.required?.includes(name) ? '' : '?'}\`: ${typeOf(inner)}`,
    )
    return `{ ${members.join(', ')} }`
  }
  const [values] = Object.values(schema.patternProperties ?? {})
  if (values !== undefined) return `object of ${typeOf(values)}${limits(schema)}`
  const type = Array.isArray(schema.type) ? schema.type.join(' or ') : (schema.type ?? 'anything')
  return `${type}${limits(schema)}`
}

function limits(schema: Schema): string {
  const found = LIMITS.flatMap((name) => (schema[name] === undefined ? [] : [`${name} ${schema[name]}`]))
  if (schema.pattern !== undefined) found.push(`\`${schema.pattern}\``)
  if (schema.default !== undefined) found.push(`default \`${JSON.stringify(schema.default)}\``)
  return found.length === 0 ? '' : ` (${found.join(', ')})`
}
