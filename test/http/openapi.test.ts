import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { openApiDocument } from '../../src/http/openapi.ts'
import { ROUTES } from '../../src/http/routes.ts'
import { start } from './harness.ts'

const file = new URL('../../protocol/openapi.json', import.meta.url)

test('protocol/openapi.json is what the route table says (scripts/openapi.ts writes it)', async (t) => {
  const { send } = await start(t)
  const stored = JSON.parse(await readFile(file, 'utf8'))
  assert.deepEqual(stored, JSON.parse(JSON.stringify(openApiDocument(ROUTES))))
  assert.deepEqual((await send({ path: '/openapi.json' })).json(), stored)
})

test('every public route is described, and every reference leads somewhere', async () => {
  const document = JSON.parse(await readFile(file, 'utf8'))
  assert.match(document.openapi, /^3\.1\./)
  for (const route of ROUTES) {
    if (route.hidden) continue
    const path = route.path.replace(/:([a-z_]+)/g, '{$1}').replace('*', '{path}')
    const operation = document.paths[path]?.[route.method.toLowerCase()]
    assert.ok(operation?.summary, `${route.method} ${path}`)
    assert.equal(operation.security !== undefined, route.access === 'admin' || route.access === 'publisher')
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
