import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEPRECATED_ROUTES, type DeprecatedRoute } from '../../protocol/versions.ts'
import { documentPath } from '../../scripts/openapi-document.ts'
import { ROUTES } from '../../src/http/routes.ts'
import { METADATA, start } from './harness.ts'

const MONTH_MS = 30 * 24 * 60 * 60 * 1000

const entry = (method: string, path: string): DeprecatedRoute => ({
  method,
  path,
  deprecated: '2026-07-01T00:00:00Z',
  sunset: '2027-07-01T00:00:00Z',
  guide: 'https://example.org/guide',
})

test('a route that goes says so with every answer, right or wrong; the others do not', async (t) => {
  const deprecated = [entry('GET', '/api/v1/repository/cells/{cell_type}'), entry('GET', '/api/v1/keys')]
  const { send } = await start(t, {}, 'info', { deprecated })
  for (const call of [
    { path: '/api/v1/repository/cells/adder' },
    { path: '/api/v1/repository/cells/No%20Name' },
    { method: 'HEAD', path: '/api/v1/repository/cells/adder' },
    { path: '/api/v1/keys' },
    { path: '/api/v1/keys', headers: { 'X-API-Key': 'wrong' } },
  ]) {
    const { headers } = await send(call)
    assert.equal(headers.deprecation, '@1782864000', call.path)
    assert.equal(headers.sunset, 'Thu, 01 Jul 2027 00:00:00 GMT')
    assert.equal(headers.link, '<https://example.org/guide>; rel="deprecation"')
    assert.equal(headers['x-content-type-options'], 'nosniff', 'the usual headers stay')
  }
  for (const call of [
    { path: '/health' },
    { path: '/api/v1/repository/cells' },
    { method: 'POST', path: '/api/v1/keys', body: METADATA },
    { path: '/api/v1/nothing' },
  ]) {
    const { headers } = await send(call)
    assert.deepEqual([headers.deprecation, headers.sunset, headers.link], [undefined, undefined, undefined], call.path)
  }
})

test('each entry of the table is a route that there is, and ends a year or more after it was deprecated', () => {
  const names = new Set(ROUTES.map((route) => `${route.method} ${documentPath(route)}`))
  for (const { method, path, deprecated, sunset, guide } of DEPRECATED_ROUTES) {
    assert.ok(names.has(`${method} ${path}`), `${method} ${path}`)
    assert.ok(Date.parse(sunset) - Date.parse(deprecated) >= 12 * MONTH_MS, path)
    assert.ok(URL.canParse(guide))
  }
})

test('a version of which nothing is served is 404, with words about those that are', async (t) => {
  const { send } = await start(t)
  for (const [path, says] of [
    ['/api/v2-beta/query', /^nothing is tried out now: found \/api\/v2-beta\/, allowed are \/api\/v1\/, \/api\/v2\/$/],
    ['/api/v2-beta', /^nothing is tried out now/],
    ['/api/v9/cells?x=1', /^no such version of the API: found \/api\/v9\/, allowed are \/api\/v1\/, \/api\/v2\/$/],
    ['/api/v1/nothing', /^no such route/],
    ['/api', /^no such route/],
  ] as const) {
    for (const method of ['GET', 'POST', 'DELETE']) {
      const reply = await send({ method, path })
      assert.equal(reply.status, 404, path)
      assert.match(String(reply.json().message), says)
    }
  }
})
