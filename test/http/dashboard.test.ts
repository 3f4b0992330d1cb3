import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { buildDashboard } from '../../scripts/dashboard.ts'
import { readDashboard } from '../../src/http/dashboard-files.ts'
import { temporaryFolder } from '../support/folders.ts'
import { start } from './harness.ts'

before(async () => {
  if (readDashboard() === undefined) await buildDashboard()
})

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

test('the page is checked for news each time, its files never, and both come with a strict policy', async (t) => {
  const { send } = await start(t, { open_reading: false })
  const page = await send({ path: '/' })
  assert.equal(page.status, 200)
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8')
  assert.equal(page.headers['cache-control'], 'no-cache')
  assert.doesNotMatch(page.text, /<script(?![^>]*\bsrc=)|<style|\bon\w+=|style=/i)
  const files = [...page.text.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path]) => path!)
  assert.ok(files.length >= 3, page.text)
  for (const path of files) {
    assert.match(path, /-[\w-]{8,}\.\w+$/)
    const file = await send({ path })
    assert.equal(file.status, 200, path)
    assert.equal(file.headers['cache-control'], 'public, max-age=31536000, immutable')
    for (const { headers } of [page, file]) {
      assert.equal(headers['content-security-policy'], POLICY)
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.equal(headers['referrer-policy'], 'no-referrer')
      assert.equal(headers['cross-origin-opener-policy'], 'same-origin')
      assert.equal(headers.vary, 'Accept-Encoding')
    }
  }
})

test('files travel in the coding that the browser takes', async (t) => {
  const { send } = await start(t)
  const plain = await send({ path: '/' })
  assert.equal(plain.headers['content-encoding'], undefined)
  const br = await send({ path: '/', headers: { 'Accept-Encoding': 'gzip, deflate, br' } })
  assert.equal(br.headers['content-encoding'], 'br')
  assert.equal(brotliDecompressSync(br.bytes).toString(), plain.text)
  for (const accepted of ['gzip', 'GZIP;q=0.5, br;q=0', 'br;q=0.0, gzip']) {
    const gzip = await send({ path: '/', headers: { 'Accept-Encoding': accepted } })
    assert.equal(gzip.headers['content-encoding'], 'gzip', accepted)
    assert.equal(gunzipSync(gzip.bytes).toString(), plain.text)
  }
  for (const accepted of ['identity', 'gzip;q=0', 'brx']) {
    const { headers } = await send({ path: '/', headers: { 'Accept-Encoding': accepted } })
    assert.equal(headers['content-encoding'], undefined, accepted)
  }
})

test('there are no other files than those of the dashboard', async (t) => {
  const { send } = await start(t)
  for (const path of [
    '/assets/x.js',
    '/assets/..%2findex.html',
    '/assets/..%2f..%2fpackage.json',
    '/assets/%2e%2e',
    '/assets/',
  ]) {
    const { status } = await send({ path })
    assert.ok(status === 404 || status === 400, `${path}: ${status}`)
  }
  assert.equal((await send({ path: '/', method: 'POST' })).status, 405)
})

test('a checkout without a build has no dashboard, and one with a build only files of known kinds', async (t) => {
  const folder = await temporaryFolder(t)
  assert.equal(readDashboard(folder), undefined)
  await mkdir(join(folder, 'assets'))
  for (const name of ['index.html', 'assets/a.js', 'assets/b.css', 'assets/c.exe']) {
    for (const end of ['', '.br', '.gz']) await writeFile(join(folder, name + end), name + end)
  }
  const files = readDashboard(folder)!
  assert.deepEqual([...files.keys()].sort(), ['/assets/a.js', '/assets/b.css', '/index.html'])
  assert.equal(files.get('/assets/a.js')!.gzip.toString(), 'assets/a.js.gz')
})
