import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { describe, it, type TestContext } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import type { CellRequest } from '../../protocol/rpc.ts'
import { exampleCell } from '../../scripts/vectors/messages.ts'
import type { BatchSealer } from '../../src/network/batch.ts'
import { encodeFrame } from '../../src/network/frames.ts'
import { PeerError } from '../../src/network/peer-error.ts'
import { openHandshake, type WireIdentity } from '../../src/network/session.ts'
import { type AttackStream, shaken, wireAttacker } from '../support/wire-attacker.ts'
import { askFor, connectedTo, newIdentity, startNode, type TestNode, within } from './nodes.ts'

async function pair(
  t: TestContext,
  handlers: Parameters<typeof startNode>[1] = {},
): Promise<{ a: TestNode; b: TestNode }> {
  const b = await startNode(t, handlers)
  const a = await startNode(t)
  await a.network.addAddresses(b.providerId, b.network.addresses)
  return { a, b }
}

/** A cell whose signature has so many characters more than the least. */
const offered = (size = 0) => ({ ...exampleCell, signature: `cs1.${'A'.repeat(size + 1)}` })

const hasCode = (code: string) => (error: unknown) => error instanceof PeerError && error.code === code

describe('requests to peers', () => {
  it('are answered, each kind with its own answer, over one stream', async (t) => {
    const asked: CellRequest[] = []
    let from = ''
    const { a, b } = await pair(t, {
      handlers: {
        onCellRequest: (request, peer) => {
          asked.push(request)
          from = peer
          return request.name === 'text' ? JSON.stringify([offered()]) : [offered()]
        },
        onPackageRequest: async ({ digest }) =>
          digest.endsWith('0') ? { cell: offered(), chunks: 'AAAA' } : undefined,
        onAnnouncementsRequest: async (after) => ({ announcements: [], ...(after === undefined ? { next: 'k' } : {}) }),
      },
    })
    const [listed, text, found, missing, first] = await Promise.all([
      a.network.request(b.providerId, 'cell_request', { ...askFor('json-parse'), range: '^1' }, within()),
      a.network.request(b.providerId, 'cell_request', askFor('text'), within()),
      a.network.request(b.providerId, 'package_request', { digest: `sha256:${'0'.repeat(64)}` }, within()),
      a.network.request(b.providerId, 'package_request', { digest: `sha256:${'1'.repeat(64)}` }, within()),
      a.network.request(b.providerId, 'announcements_request', {}, within()),
    ])
    const last = await a.network.request(b.providerId, 'announcements_request', { after: 'k' }, within())
    assert.deepEqual(listed.cells, [offered()])
    assert.deepEqual(text.cells, [offered()])
    assert.equal(found.chunks, 'AAAA')
    assert.equal(missing.cell, undefined)
    assert.equal(first.next, 'k')
    assert.equal(last.next, undefined)
    assert.equal(from, a.providerId)
    assert.equal(asked[0]?.range, '^1')
    assert.equal(new Set([listed.id, text.id, found.id, missing.id]).size, 4)
  })

  it('get as many cells as one frame holds', async (t) => {
    const cell = offered(90 * 1024)
    const many = Array.from({ length: 8 }, () => ({ ...cell, manifest: { ...cell.manifest, labels: manyLabels() } }))
    const { a, b } = await pair(t, {
      handlers: { onCellRequest: ({ name }) => (name === 'text' ? JSON.stringify(many) : many) },
    })
    for (const name of ['list', 'text']) {
      const { cells } = await a.network.request(b.providerId, 'cell_request', askFor(name), within())
      assert.ok(cells.length > 1 && cells.length < 8, `${cells.length} cells`)
    }
  })

  it('belong to a session that both ends derive the same keys from, for as long as the stream lasts', async (t) => {
    const seen: { id: string; key: Uint8Array }[] = []
    const { a, b } = await pair(t, {
      handlers: {
        answers: {
          yank_request: (_, __, { id, derive }) => {
            seen.push({ id, key: derive('test') })
            return { yanks: [] }
          },
        },
      },
    })
    const session = await a.network.session(b.providerId, within())
    const cells = [{ manifest_digest: 'ab'.repeat(32), publisher: 'cd'.repeat(32) }]
    const ask = () => a.network.request(b.providerId, 'yank_request', { cells }, { ...within(), session: session.id })
    await ask()
    assert.deepEqual(seen, [{ id: session.id, key: session.derive('test') }])

    await b.network.addAddresses(a.providerId, a.network.addresses)
    const back = await b.network.session(a.providerId, within())
    assert.notEqual(back.id, session.id)

    const lost = new Promise<void>((resolve) => a.events.on('peer_disconnected', () => resolve()))
    await b.network.stop()
    await lost
    await b.network.start()
    await a.network.addAddresses(b.providerId, b.network.addresses)
    await a.network.request(b.providerId, 'ping', {}, within())
    await assert.rejects(ask(), /the session with .* has ended/)
    assert.equal(seen.length, 1)
  })

  it('measure how long a round trip takes', async (t) => {
    const { a, b } = await pair(t)
    assert.equal(a.network.roundTripMs(b.providerId), undefined)
    await a.network.request(b.providerId, 'ping', {}, within())
    // One was sent before this one, when the stream was opened; its answer has been dealt with when a second round trip is over.
    await a.network.request(b.providerId, 'ping', {}, within())
    const ms = a.network.roundTripMs(b.providerId)
    assert.ok(ms !== undefined && ms > 0, `${ms} ms`)
    assert.equal(a.network.connectedPeers()[0]?.roundTripMs, ms)
    // b opened no stream, so it has nothing to measure with.
    assert.equal(b.network.roundTripMs(a.providerId), undefined)
    const lost = new Promise<void>((resolve) => a.events.on('peer_disconnected', () => resolve()))
    await b.network.stop()
    await lost
    assert.equal(a.network.roundTripMs(b.providerId), undefined)
  })

  it('for yanks name at least one cell and at most so many', async (t) => {
    const token = `ys1.${'A'.repeat(90 * 1024)}`
    const { a, b } = await pair(t, {
      handlers: { answers: { yank_request: ({ cells }) => ({ yanks: cells.map(() => token) }) } },
    })
    const ask = (count: number) => {
      const cells = Array.from({ length: count }, () => ({
        manifest_digest: 'ab'.repeat(32),
        publisher: 'cd'.repeat(32),
      }))
      return a.network.request(b.providerId, 'yank_request', { cells }, within())
    }
    assert.deepEqual((await ask(2)).yanks, [token, token])
    await assert.rejects(ask(LIMITS.yanksPerRequest + 1), hasCode('bad_request'))
    await assert.rejects(ask(0), hasCode('bad_request'))
  })

  it('fail with what the peer answered: bad_request, internal without details', async (t) => {
    const { a, b } = await pair(t, {
      handlers: {
        onCellRequest: ({ name }) => {
          if (name === 'sync') throw new Error('secret')
          return Promise.reject(new Error('secret'))
        },
      },
    })
    const ask = (body: ReturnType<typeof askFor>) => a.network.request(b.providerId, 'cell_request', body, within())
    await assert.rejects(ask(askFor('NOT A NAME')), hasCode('bad_request'))
    for (const name of ['sync', 'async']) {
      await assert.rejects(
        ask(askFor(name)),
        (error) => hasCode('internal')(error) && !String(error).includes('secret'),
      )
    }
  })

  it('for announcements take their text as it is', async (t) => {
    const { a, b } = await pair(t, { handlers: { onAnnouncementsRequest: async () => ({ json: '[ ]', next: 'k"' }) } })
    const page = await a.network.request(b.providerId, 'announcements_request', {}, within())
    assert.deepEqual(page.announcements, [])
    assert.equal(page.next, 'k"')
  })

  it('for announcements: one per peer, four in all; for packages: the ninth waits', async (t) => {
    const never = Promise.withResolvers<void>()
    let announcing = 0
    let packages = 0
    let arrived = (): void => undefined
    const b = await startNode(t, {
      handlers: {
        onAnnouncementsRequest: async () => {
          announcing++
          arrived()
          await never.promise
          return { announcements: [] }
        },
        onPackageRequest: async () => {
          packages++
          await never.promise
          return undefined
        },
      },
    })
    const nodes: TestNode[] = []
    for (let i = 0; i < 5; i++) {
      const node = await startNode(t)
      await node.network.addAddresses(b.providerId, b.network.addresses)
      nodes.push(node)
    }
    const ask = (node?: TestNode) => node!.network.request(b.providerId, 'announcements_request', {}, within())
    const four = new Promise<void>((resolve) => {
      arrived = () => {
        if (announcing === 4) resolve()
      }
    })
    const open = nodes.slice(0, 4).map(ask)
    await four
    await assert.rejects(ask(nodes[0]), hasCode('busy'))
    await assert.rejects(ask(nodes[4]), hasCode('busy'))
    const digest = `sha256:${'0'.repeat(64)}`
    const asked = Array.from({ length: 12 }, () =>
      nodes[4]!.network.request(b.providerId, 'package_request', { digest }, within()),
    )
    // Answers come in order, so the requests before this one have arrived.
    await nodes[4]!.network.request(b.providerId, 'cell_request', askFor('x'), within())
    assert.equal(packages, 8)
    never.resolve()
    await Promise.all([...open, ...asked])
    assert.equal(packages, 12)
    await ask(nodes[4])
    assert.equal(announcing, 5)
  })

  it('with an unreadable range are bad requests, and the handler is not asked', async (t) => {
    let dispatched = 0
    const { a, b } = await pair(t, {
      handlers: {
        onCellRequest: () => {
          dispatched++
          return []
        },
      },
    })
    const ask = (range: string) => a.network.request(b.providerId, 'cell_request', { ...askFor('x'), range }, within())
    for (const range of ['not a range', '>=1 <', '1.x.y.z']) await assert.rejects(ask(range), hasCode('bad_request'))
    await ask('>=1.2 <3')
    assert.equal(dispatched, 1)
  })

  it('end with the caller’s signal, and the stream goes on', async (t) => {
    const entered = Promise.withResolvers<void>()
    const never = Promise.withResolvers<[]>()
    const { a, b } = await pair(t, {
      handlers: {
        onCellRequest: ({ name }) => {
          if (name !== 'slow') return []
          entered.resolve()
          return never.promise
        },
      },
    })
    const caller = new AbortController()
    const slow = a.network.request(b.providerId, 'cell_request', askFor('slow'), { signal: caller.signal })
    await entered.promise
    caller.abort(new Error('changed my mind'))
    await assert.rejects(slow, /changed my mind/)
    const { cells } = await a.network.request(b.providerId, 'cell_request', askFor('quick'), within())
    assert.deepEqual(cells, [])
    never.resolve([])
    await assert.rejects(
      a.network.request(b.providerId, 'cell_request', askFor('quick'), {
        signal: AbortSignal.abort(new Error('before')),
      }),
      /before/,
    )
  })

  it('above the limit are refused as busy', async (t) => {
    const never = Promise.withResolvers<[]>()
    const { a, b } = await pair(t, {
      handlers: { onCellRequest: ({ name }) => (name === 'slow' ? never.promise : []) },
    })
    const ask = (name: string) => a.network.request(b.providerId, 'cell_request', askFor(name), within(60_000))
    await ask('quick')
    const slow = Array.from({ length: LIMITS.requestsPerStream }, () => ask('slow'))
    await assert.rejects(ask('quick'), hasCode('busy'))
    never.resolve([])
    await Promise.all(slow)
    await ask('quick')
  })

  it('fail at once when the peer is killed, and work again when it is back', async (t) => {
    const child = fork(new URL('./killed-peer.ts', import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    t.after(() => child.kill('SIGKILL'))
    const [{ providerId, addresses }] = await once(child, 'message')
    const a = await startNode(t)
    await a.network.addAddresses(providerId, addresses)
    const entered = once(child, 'message')
    const asked = a.network.request(providerId, 'cell_request', askFor('slow'), within(60_000))
    await entered
    child.kill('SIGKILL')
    await assert.rejects(asked, hasCode('unreachable'))
    await assert.rejects(a.network.request(providerId, 'cell_request', askFor('x'), within()), hasCode('unreachable'))
  })

  it('open a new stream after the peer came back', async (t) => {
    const identity = newIdentity()
    const first = await startNode(t, { identity })
    const a = await startNode(t)
    await a.network.addAddresses(first.providerId, first.network.addresses)
    await a.network.request(first.providerId, 'cell_request', askFor('x'), within())
    const lost = new Promise<void>((resolve) => a.events.on('peer_disconnected', () => resolve()))
    await first.network.stop()
    await lost
    const second = await startNode(t, { identity })
    await a.network.addAddresses(second.providerId, second.network.addresses)
    await a.network.request(second.providerId, 'cell_request', askFor('x'), within())
    await connectedTo(a, second.providerId)
  })

  it('to nodes of another network, to oneself and to nobody fail', async (t) => {
    const a = await startNode(t)
    const foreign = await startNode(t, { networkName: 'other' })
    await a.network.addAddresses(foreign.providerId, foreign.network.addresses)
    for (const peer of [foreign.providerId, a.providerId, newIdentity().providerId]) {
      await assert.rejects(a.network.request(peer, 'cell_request', askFor('x'), within()), hasCode('unreachable'))
    }
    assert.deepEqual(a.network.connectedPeers(), [])
  })
})

/** A peer that writes what it likes on the RPC stream of `target`. */
async function hostileStream(t: TestContext, target: TestNode): Promise<AttackStream & { self: WireIdentity }> {
  const { self, open } = await wireAttacker(t)
  return { self, ...(await open(target)) }
}

const request = (id: number, body: object = {}) =>
  Buffer.from(JSON.stringify({ type: 'cell_request', id, ...askFor('x'), ...body }))

describe('hostile peers', () => {
  it('that ask for a thousand pages of announcements cause one, and are answered busy', async (t) => {
    const never = Promise.withResolvers<void>()
    let pages = 0
    const onAnnouncementsRequest = async () => {
      pages++
      await never.promise
      return { json: '[]' }
    }
    const b = await startNode(t, { handlers: { onAnnouncementsRequest } })
    const { stream, self } = await hostileStream(t, b)
    const { sealer, next } = await shaken(stream, self, b.providerId)
    for (let batch = 0; batch < 2; batch++) {
      const ids = Array.from({ length: LIMITS.batchFrames }, (_, id) => batch * LIMITS.batchFrames + id)
      stream.send(sealer.seal(ids.map((id) => Buffer.from(`{"type":"announcements_request","id":${id}}`))))
    }
    for (let busy = 0; busy < 2 * LIMITS.batchFrames - 1; ) if (JSON.parse(await next()).code === 'busy') busy++
    assert.equal(pages, 1)
    never.resolve()
  })

  it('that read no answers are cut off before much is kept for them', async (t) => {
    const text = JSON.stringify([offered(90_000)])
    let answered = 0
    const onCellRequest = () => {
      answered++
      return text
    }
    const b = await startNode(t, { handlers: { onCellRequest } })
    const { stream, self } = await hostileStream(t, b)
    const { sealer } = await shaken(stream, self, b.providerId)
    stream.pause()
    const closed = new Promise<void>((resolve) => stream.addEventListener('close', () => resolve()))
    // 16 MiB of window and 4 MiB of outbox take some 230 answers; then b stops reading, and at 2 MiB of unread requests it ends the stream.
    const feed = async () => {
      for (let batch = 0; stream.status === 'open' && batch < 200; batch++) {
        stream.send(
          sealer.seal(Array.from({ length: 500 }, (_, id) => request(id, { range: `>=1 ${' '.repeat(200)}` }))),
        )
        await new Promise<void>((resolve) => setImmediate(resolve))
      }
    }
    await Promise.all([feed(), closed])
    assert.ok(answered < 400, `${answered} answers`)
  })

  const cases: Record<string, (sealer: BatchSealer) => Uint8Array[]> = {
    'a changed frame': (sealer) => {
      const bytes = Buffer.from(sealer.seal([request(1)]))
      bytes.write('y', bytes.indexOf('"x"') + 1)
      return [bytes]
    },
    'a changed signature': (sealer) => {
      const bytes = sealer.seal([request(1)])
      bytes[bytes.length - 10]! ^= 1
      return [bytes]
    },
    'batches in the wrong order': (sealer) => {
      const first = sealer.seal([request(1)])
      return [sealer.seal([request(2)]), first]
    },
    'frames without a signature': () =>
      Array.from({ length: LIMITS.batchFrames + 1 }, (_, id) => encodeFrame(request(id))),
    'a length of 2^32-1': () => [Buffer.from([255, 255, 255, 255])],
  }
  /** How many requests are dispatched of a peer that writes so, until it is cut off. */
  const dispatchedOf = async (t: TestContext, write: (sealer: BatchSealer) => Uint8Array[]): Promise<number> => {
    let dispatched = 0
    const onCellRequest = () => {
      dispatched++
      return []
    }
    const b = await startNode(t, { handlers: { onCellRequest } })
    const { stream, self, closed } = await hostileStream(t, b)
    const { sealer } = await shaken(stream, self, b.providerId)
    stream.send(Buffer.concat(write(sealer)))
    await closed
    return dispatched
  }
  for (const [name, write] of Object.entries(cases)) {
    it(`that send ${name} are cut off, and nothing is dispatched`, async (t) => {
      assert.equal(await dispatchedOf(t, write), 0)
    })
  }

  it('that repeat a batch get one answer, and are cut off', async (t) => {
    const twice = (sealer: BatchSealer) => {
      const bytes = sealer.seal([request(1)])
      return [bytes, bytes]
    }
    assert.equal(await dispatchedOf(t, twice), 1)
  })

  it('that cut a frame into bytes, or ask for unknown things, are answered', async (t) => {
    const b = await startNode(t)
    const { stream, self } = await hostileStream(t, b)
    const { sealer, next } = await shaken(stream, self, b.providerId)
    const unknown = Buffer.from('{"type":"surprise","id":7}')
    // Bytes one by one.
    for (const byte of sealer.seal([request(1), unknown, request(2, { by: 'x' })])) stream.send(Uint8Array.of(byte))
    const answers = [await next(), await next(), await next()].map((text) => JSON.parse(text))
    assert.deepEqual(answers[0], { type: 'cell_response', id: 1, cells: [] })
    assert.equal(answers[1].code, 'bad_request')
    assert.equal(answers[1].id, 7)
    assert.equal(answers[2].code, 'bad_request')
    assert.match(await next(), /"type":"batch"/)
  })

  it('without an id, without a handshake or with a foreign certificate are cut off', async (t) => {
    const b = await startNode(t)
    const noId = await hostileStream(t, b)
    const { sealer } = await shaken(noId.stream, noId.self, b.providerId)
    noId.stream.send(sealer.seal([Buffer.from('{"type":"cell_request"}')]))
    await noId.closed

    const noHandshake = await hostileStream(t, b)
    noHandshake.stream.send(encodeFrame(request(1)))
    await noHandshake.closed

    const foreign = await hostileStream(t, b)
    const { challenge } = openHandshake({ ...foreign.self, certificate: newIdentity().wire.certificate }, b.providerId)
    foreign.stream.send(encodeFrame(challenge))
    await foreign.closed
  })
})

function manyLabels(): Record<string, string> {
  return Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`label-${i}`, 'é'.repeat(512)]))
}
