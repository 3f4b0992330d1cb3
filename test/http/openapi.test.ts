import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { isDeepStrictEqual as isDeepEqual } from 'node:util'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import { documentPath, openApiDocument } from '../../scripts/openapi-document.ts'
import { ROUTES } from '../../src/http/routes.ts'
import { start } from './harness.ts'

const file = new URL('../../protocol/openapi.json', import.meta.url)

test('protocol/openapi.json is what the route table says (scripts/openapi.ts writes it)', async (t) => {
  const { send } = await start(t)
  const stored = JSON.parse(await readFile(file, 'utf8'))
  const examples = JSON.parse(await readFile(new URL('examples.json', file), 'utf8'))
  assert.deepEqual(stored, JSON.parse(JSON.stringify(openApiDocument(ROUTES, examples))))
  assert.deepEqual((await send({ path: '/openapi.json' })).json(), stored)
})

test('every public route is described, and every reference leads somewhere', async () => {
  const document = JSON.parse(await readFile(file, 'utf8'))
  assert.match(document.openapi, /^3\.1\./)
  for (const route of ROUTES) {
    if (route.hidden) continue
    const path = documentPath(route)
    const operation = document.paths[path]?.[route.method.toLowerCase()]
    assert.ok(operation?.summary, `${route.method} ${path}`)
    const needsKey = operation.security.length > 0 && !operation.security.some((one: object) => isDeepEqual(one, {}))
    const isClosed = /^(admin|publisher|session:.*)$/.test(route.access)
    assert.equal(needsKey, isClosed)
    const named = [...path.matchAll(/\{([a-z_]+)\}/g)].map((match) => match[1])
    const described = (operation.parameters ?? []).filter((parameter: { in: string }) => parameter.in === 'path')
    assert.deepEqual(described.map((parameter: { name: string }) => parameter.name).sort(), named.sort())
  }
  const references = new Set(JSON.stringify(document).match(/#\/components\/schemas\/[A-Za-z]+/g))
  assert.ok(references.size > 10)
  for (const reference of references) assert.ok(document.components.schemas[reference.split('/').at(-1)!], reference)
  const ids = Object.values(document.paths as Record<string, Record<string, { operationId: string }>>).flatMap(
    (methods) => Object.values(methods).map((operation) => operation.operationId),
  )
  assert.equal(new Set(ids).size, ids.length)
})

test('a linter for OpenAPI 3.1 finds nothing, and every example fits its schema', async () => {
  const config = await createConfig({ extends: ['recommended'] })
  const source = await readFile(file, 'utf8')
  const problems = await lintFromString({ source, absoluteRef: 'openapi.json', config })
  // No goal may be called `tile`, which the linter cannot see.
  const ambiguous = 'two ambiguous paths: `/api/v1/log/tile/{path}` and `/api/v1/log/{goal_id}/'
  const found = problems.filter(
    ({ ruleId, message }) => ruleId !== 'no-ambiguous-paths' || !message.includes(ambiguous),
  )
  assert.deepEqual(
    found.map(({ ruleId, message, location }) => `${ruleId}: ${message} (${location[0]?.pointer})`),
    [],
  )
  assert.ok(source.match(/"example": /g)!.length > 50)
})
