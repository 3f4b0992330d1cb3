import { strict as assert } from 'node:assert'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { bundleOf } from '../client/bundle.ts'
import { startBrowser, withoutBrowser } from '../support/browser.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, temporaryFolder } from '../support/processes.ts'

/** The origin of a page that lets nothing run but its own files, and may ask whom it likes. */
async function pageOrigin(t: TestContext): Promise<string> {
  const script = await bundleOf('*')
  const server = createServer(({ url }, response) => {
    const [type, body] =
      url === '/client.js' ? ['text/javascript', script] : ['text/html', '<!doctype html><title>t</title>']
    response.writeHead(url === '/' || url === '/client.js' ? 200 : 404, {
      'Content-Type': type,
      'Content-Security-Policy': "default-src 'none'; script-src 'self'; connect-src *",
    })
    response.end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('the SDK works in a web page of a strict policy', { skip: withoutBrowser() }, async (t) => {
  const origin = await pageOrigin(t)
  const node = await nodeProcess(t, {
    dataDir: join(await temporaryFolder(t), 'node'),
    env: { CYTOPLEX_HTTP_ALLOWED_ORIGINS: origin },
  })
  const wasm = await readFile(SMALL_MODULE)
  const browser = await startBrowser()
  t.after(() => browser.close())
  const page = await browser.newPage()
  const complaints: string[] = []
  page.on('console', (message) => /Content Security Policy/.test(message.text()) && complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(`${origin}/`)
  const found = await page.evaluate(
    async ({ url, apiKey, wasm, script }) => {
      const { assemble, createClient, NotFoundError, webCache } = (await import(
        script
      )) as typeof import('../../src/client/index.ts')
      const admin = createClient({ nodes: url, apiKey })
      // Nobody knows this cursor: the node says that something may be missing.
      const events = admin.subscribe({ channels: ['peers'], since: `${'0'.repeat(16)}-1` })[Symbol.asyncIterator]()
      const event = (await events.next()).value
      await events.return?.()
      const bytes = Uint8Array.from(atob(wasm), (character) => character.charCodeAt(0))
      const steps: number[] = []
      await admin.registerCell({
        metadata: { cell_type: 'maps', version: '2.1.0', capabilities: [{ name: 'decode', version: '2.0.0' }] },
        package: bytes,
        onProgress: ({ transferred }) => steps.push(transferred),
      })
      let downloads = 0
      const counting: typeof fetch = (input, init) => {
        if (String(input).includes('/packages/')) downloads++
        return fetch(input, init)
      }
      const cache = webCache()
      const how = { nodes: ['http://127.0.0.1:2', url], version: '^2', cache, fetch: counting }
      const one = await assemble('decode', how)
      const two = await assemble('decode', { ...how, dependencies: true })
      const missing = await assemble('encode', how).catch((error: unknown) => error instanceof NotFoundError)
      return {
        event: event?.type,
        uploaded: steps.at(-1),
        sizes: [one.bytes.length, two.bytes.length],
        type: one.manifest.cell_type,
        signed: one.cell.algorithms,
        downloads,
        missing,
      }
    },
    {
      url: node.http_url,
      apiKey: node.adminKey,
      wasm: wasm.toString('base64'),
      script: `${origin}/client.js`,
    },
  )
  const { length: size } = wasm
  assert.deepEqual(found, {
    event: 'gap',
    uploaded: size,
    sizes: [size, size],
    type: 'maps',
    signed: ['ed25519'],
    downloads: 1,
    missing: true,
  })
  assert.deepEqual(complaints, [])
})
