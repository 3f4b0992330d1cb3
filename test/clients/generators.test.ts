import assert from 'node:assert/strict'
import { access, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'

const SETTINGS = join(import.meta.dirname, '../../protocol/clients/openapitools.json')
const DOCUMENT = join(import.meta.dirname, '../../protocol/openapi.json')

const Text = Type.String({ minLength: 1 })
/** Of the schema that @openapitools/openapi-generator-cli publishes for its settings: what a generator may say here, and what it must. */
const Generator = Type.Object(
  {
    generatorName: Type.Union(['java', 'csharp', 'go'].map((name) => Type.Literal(name))),
    glob: Text,
    output: Text,
    inputSpec: Text,
    library: Type.Optional(Text),
    groupId: Type.Optional(Text),
    artifactId: Type.Optional(Text),
    artifactVersion: Type.Optional(Text),
    invokerPackage: Type.Optional(Text),
    apiPackage: Type.Optional(Text),
    modelPackage: Type.Optional(Text),
    packageName: Type.Optional(Text),
    additionalProperties: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Boolean()]))),
  },
  { additionalProperties: false },
)
const Settings = Type.Object(
  {
    $schema: Text,
    spaces: Type.Optional(Type.Number()),
    'generator-cli': Type.Object(
      {
        version: Type.String({ pattern: '^7\\.\\d+\\.\\d+$' }),
        storageDir: Type.Optional(Type.String()),
        generators: Type.Record(Type.String(), Generator, { minProperties: 3 }),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
)

test('the settings for generated clients have the form that their tool takes, and lead to the description', async () => {
  const settings: unknown = JSON.parse(await readFile(SETTINGS, 'utf8'))
  const schema = Compile(Settings)
  assert.ok(schema.Check(settings), JSON.stringify(schema.Errors(settings)))
  for (const [name, { glob, inputSpec, output }] of Object.entries(settings['generator-cli'].generators)) {
    assert.equal(glob, inputSpec, name)
    await access(join(dirname(SETTINGS), inputSpec))
    assert.equal(join(dirname(SETTINGS), inputSpec), DOCUMENT)
    assert.equal(output, `generated/${name}`)
  }
})

test('names in the description make distinct identifiers in every language', async () => {
  const { paths, components } = JSON.parse(await readFile(DOCUMENT, 'utf8')) as {
    paths: Record<string, Record<string, { operationId?: string; tags?: string[] }>>
    components: { schemas: Record<string, unknown> }
  }
  /** As generators turn a name into one of a method or class. */
  const identifier = (name: string): string => name.replaceAll('_', '').toLowerCase()
  const operations = Object.values(paths).flatMap((methods) => Object.values(methods))
  assert.ok(operations.length > 100)
  for (const { operationId, tags } of operations) {
    assert.match(operationId ?? '', /^[a-z][a-z0-9_]*$/)
    assert.equal(tags?.length, 1, operationId)
  }
  const ids = operations.map(({ operationId }) => identifier(operationId!))
  assert.deepEqual(
    ids.filter((id, at) => ids.indexOf(id) !== at),
    [],
  )
  const schemas = Object.keys(components.schemas)
  for (const name of schemas) assert.match(name, /^[A-Z][A-Za-z0-9]*$/)
  assert.equal(new Set(schemas.map(identifier)).size, schemas.length)
})
