import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import { equalBytes } from '../../src/kernel/base/bytes.ts'
import { ChunkDoors } from '../../src/node/flows/chunk-doors.ts'
import { manifestOf, newPublisher, signedCell, summaryOf } from '../support/cells.ts'
import { fetchAll, openFetcher } from '../support/fetchers.ts'

const CHUNK = LIMITS.chunkBytes
const alice = newPublisher()
const bytes = Uint8Array.from({ length: 12 * CHUNK + 5 }, (_, i) => (i * 11) % 241)
const summary = summaryOf(bytes)
const cell = signedCell(alice, manifestOf(alice.publisher, summary))
const { digest } = cell.manifest.package

/** A provider's HTTP API that serves `content`, and how many requests it answered. */
async function httpHolder(t: TestContext, content: Uint8Array, status = 206) {
  const asked: string[] = []
  const server = createServer(({ headers, url }, response) => {
    asked.push(url ?? '')
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '')!.map(Number)
    response.writeHead(status, { 'Content-Range': `bytes ${start}-${end}/${content.length}` })
    response.end(status === 206 ? content.subarray(start, end! + 1) : undefined)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

/** A fetcher whose peer `one` serves the package over P2P, which it counts, and says that its API is at `url`. */
async function fetching(t: TestContext, url: string, options: { address?: string; msPerChunk?: number } = {}) {
  const asked = { p2p: 0 }
  const clock = { ms: 0 }
  const network: ConstructorParameters<typeof ChunkDoors>[0] = {
    connectedPeers: () => [
      {
        providerId: 'teller',
        addresses: [options.address ?? '/ip4/127.0.0.1/tcp/9000'],
        direction: 'inbound',
        tcpAddresses: [],
        software: null,
        connectedMs: 1,
        traffic: { sent: 0, received: 0 },
        seed: false,
      },
    ],
    async *fetchPackage(_peer, _digest, nextRange) {
      asked.p2p++
      for (let range = nextRange(); range !== undefined; range = nextRange()) {
        clock.ms += (options.msPerChunk ?? 100) * (range.to - range.from)
        yield bytes.subarray(range.from * CHUNK, range.from * CHUNK + range.bytes)
      }
    },
  }
  const doors = new ChunkDoors(network, () => clock.ms)
  doors.learn('one', url, 'teller')
  const { fetcher, punished } = await openFetcher(t, cell, summary, {
    fetchPackage: network.fetchPackage,
    doors,
    cacheBytes: 0,
  })
  return { asked, punished, doors, fetch: () => fetchAll(fetcher, digest, ['one']) }
}

describe('the HTTP address of a provider', () => {
  it('is measured once P2P was, and used where it is faster', async (t) => {
    const { url, asked: http } = await httpHolder(t, bytes)
    const { fetch, asked, doors } = await fetching(t, `${url}/`)
    assert.ok(equalBytes(await fetch(), bytes))
    assert.deepEqual([asked.p2p, http.length], [1, 0])
    assert.ok(equalBytes(await fetch(), bytes))
    assert.equal(asked.p2p, 1)
    assert.ok(http.length > 0)
    assert.ok(http.every((path) => path === `/api/v1/cells/packages/${digest}`))
    assert.deepEqual(doors.of('one'), ['http', 'p2p'])
  })

  it('is left alone where P2P is faster', async (t) => {
    const { url } = await httpHolder(t, bytes)
    const { fetch, doors } = await fetching(t, url, { msPerChunk: 0 })
    for (let time = 0; time < 2; time++) assert.ok(equalBytes(await fetch(), bytes))
    assert.deepEqual(doors.of('one'), ['p2p', 'http'])
  })

  it('that does not serve the package costs nothing, and is tried last for a while', async (t) => {
    const { url, asked: http } = await httpHolder(t, bytes, 503)
    const { fetch, asked, doors, punished } = await fetching(t, url)
    for (let time = 1; time <= 3; time++) {
      assert.ok(equalBytes(await fetch(), bytes))
      assert.equal(asked.p2p, time)
    }
    assert.equal(http.length, 1)
    assert.deepEqual(doors.of('one'), ['p2p', 'http'])
    assert.deepEqual(punished, [])
  })

  it('that serves wrong chunks is held against its provider, by either door', async (t) => {
    const { url } = await httpHolder(t, new Uint8Array(bytes.length))
    const { fetch, asked, punished } = await fetching(t, url)
    assert.ok(equalBytes(await fetch(), bytes))
    await assert.rejects(fetch(), /is not what the publisher signed/)
    assert.deepEqual(punished, ['one protocol_violation'])
    assert.equal(asked.p2p, 1)
  })

  it('in a private range is not called for a peer of another range', async (t) => {
    const { url, asked: http } = await httpHolder(t, bytes)
    const { fetch, asked } = await fetching(t, url, { address: '/ip4/198.51.100.7/tcp/9000' })
    for (let time = 1; time <= 2; time++) assert.ok(equalBytes(await fetch(), bytes))
    assert.deepEqual([asked.p2p, http.length], [2, 0])
  })

  it('is forgotten when it is announced no more', async () => {
    const doors = new ChunkDoors({ fetchPackage: async function* () {}, connectedPeers: () => [] })
    doors.learn('one', 'https://one.example', 'teller')
    assert.deepEqual(doors.of('one'), ['p2p', 'http'])
    doors.learn('one', undefined, 'teller')
    assert.deepEqual(doors.of('one'), ['p2p'])
  })
})
