import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type WebSocket, WebSocketServer } from 'ws'
import { type ClientError, createClient, type EventItem, newRequestKeys } from '../../src/client/index.ts'
import type { FakeNode } from '../http/fake-node.ts'
import { ADMIN_KEY, start } from '../http/harness.ts'
import { NETWORK } from '../support/cells.ts'
import { FaultProxy } from '../support/fault-proxy.ts'
import { nodeInProcess } from '../support/node-pairs.ts'
import { nodeWithServer } from '../support/node-servers.ts'

const HEX = 'ab'.repeat(32)
const PEER = '12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX'

const contribute = ({ events }: FakeNode, logIndex: number, goalId = 'g'): void => {
  const contributorId = 'c'.repeat(40)
  events.emit('contribution_added', {
    goalId,
    contributionId: HEX,
    packHash: HEX,
    contributorId,
    score: 1,
    logIndex,
  })
}

const indexOf = (item: EventItem): unknown => (item.type === 'contribution_added' ? item.data.log_index : item.type)

type Server = Awaited<ReturnType<typeof start>>

/** Does something as soon as somebody listens to so many channels. */
async function whenSubscribed({ send }: Server, act: () => void, channels = 1): Promise<void> {
  const listening = new RegExp(`^cytoplex_events_subscriptions ${channels}$`, 'm')
  while (!listening.test((await send({ path: '/metrics' })).text));
  act()
}

const untilGone = (server: Server): Promise<void> => whenSubscribed(server, () => undefined, 0)

/** A node that answers each subscription as the test says. */
async function scripted(t: TestContext, answer: (socket: WebSocket, message: { type: string }) => void) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  t.after(() => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  server.on('connection', (socket) => {
    const cursor = `${'0'.repeat(16)}-0`
    const welcome = { type: 'welcome', provider_id: PEER, challenge: 'c', cursor, channels: [], heartbeat_seconds: 30 }
    socket.send(JSON.stringify(welcome))
    socket.on('message', (data) => answer(socket, JSON.parse(String(data))))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const codeOf = (error: unknown): string => (error as ClientError).code

async function failure(items: AsyncIterable<EventItem>): Promise<unknown> {
  try {
    for await (const item of items) assert.fail(JSON.stringify(item))
  } catch (error) {
    return error
  }
  return assert.fail('it ended without an error')
}

test('events of the channels and of the goal that were asked for arrive, until the iteration ends', async (t) => {
  const server = await start(t, {}, 'silent')
  const client = createClient({ nodes: server.server.url })
  const heard: unknown[] = []
  const items = client.subscribe({ channels: ['contributions'], goalId: 'g', since: `${'0'.repeat(16)}-0` })
  for await (const item of items) {
    heard.push(indexOf(item))
    if (item.type === 'gap') {
      contribute(server.node, 0, 'other')
      for (let i = 1; i <= 3; i++) contribute(server.node, i)
    }
    if (heard.length === 4) break
  }
  assert.deepEqual(heard, ['gap', 1, 2, 3])
  await untilGone(server)
})

test('what happened while a connection was broken comes first when it is back', async (t) => {
  const server = await start(t, {}, 'silent')
  const proxy = await FaultProxy.start(t)
  proxy.leadTo(server.port)
  const client = createClient({ nodes: `http://127.0.0.1:${proxy.address.split('/').at(-1)}` })
  const heard: unknown[] = []
  void whenSubscribed(server, () => contribute(server.node, 0), 2)
  for await (const item of client.subscribe({ channels: ['contributions', 'tau'] })) {
    heard.push(indexOf(item))
    if (heard.length === 1) {
      proxy.cut()
      for (let i = 1; i <= 3; i++) contribute(server.node, i)
    }
    if (heard.length === 4) break
  }
  assert.deepEqual(heard, [0, 1, 2, 3])
  assert.equal(proxy.connections, 2)
})

test('a node that starts anew is found again, and the gap is told', async (t) => {
  const first = await start(t, {}, 'silent')
  const client = createClient({ nodes: first.server.url })
  const { port } = first
  const heard: unknown[] = []
  void whenSubscribed(first, () => contribute(first.node, 0))
  for await (const item of client.subscribe({ channels: ['contributions'] })) {
    heard.push(indexOf(item))
    if (heard.length === 1) {
      await first.server.close()
      const second = await start(t, { port }, 'silent')
      contribute(second.node, 7)
    }
    if (heard.length === 3) break
  }
  assert.deepEqual(heard, [0, 'gap', 7])
})

test('who reads slowly loses nothing, and holds little', async (t) => {
  const server = await start(t, {}, 'silent')
  const client = createClient({ nodes: server.server.url })
  const heard: unknown[] = []
  void whenSubscribed(server, () => contribute(server.node, 0))
  for await (const item of client.subscribe({ channels: ['contributions'] })) {
    heard.push(indexOf(item))
    if (heard.length === 1) {
      for (let i = 1; i <= 5000; i++) contribute(server.node, i)
      // Meanwhile more arrives than waits here: the connection is closed, and opened again later.
      await untilGone(server)
    }
    if (heard.length === 5001) break
  }
  assert.deepEqual(
    heard,
    heard.map((_, i) => i),
  )
})

test('private channels open to a key, and to the signature of an operator', async (t) => {
  const server = await start(t, {}, 'silent')
  const ask = { channels: ['peers'] } as const
  const refused = await failure(createClient({ nodes: server.server.url }).subscribe(ask))
  assert.equal(codeOf(refused), 'PROV_016')
  const client = createClient({ nodes: server.server.url, apiKey: ADMIN_KEY })
  void whenSubscribed(server, () => server.node.events.emit('peer_disconnected', { providerId: PEER }))
  for await (const item of client.subscribe(ask)) {
    assert.equal(item.type, 'peer_disconnected')
    break
  }
})

test('an operator proves the key to a real node, and nobody else does', async (t) => {
  const operator = newRequestKeys()
  const id = hash('sha256', operator.ed25519.publicKey, 'hex').slice(0, 40)
  const { node, url } = await nodeWithServer(t, { operators: [id] })
  const client = createClient({ nodes: url, network: NETWORK })
  const signal = AbortSignal.timeout(30_000)
  for (const operatorKeys of [newRequestKeys(), newRequestKeys({ hybrid: true })]) {
    const refused = await failure(client.subscribe({ channels: ['peers'], operatorKeys, signal }))
    assert.equal(codeOf(refused), 'PROV_015')
  }
  const gone = setInterval(() => node.events.emit('peer_disconnected', { providerId: PEER }), 10)
  t.after(() => clearInterval(gone))
  for await (const item of client.subscribe({ channels: ['peers'], operatorKeys: operator, signal })) {
    assert.equal(item.type, 'peer_disconnected')
    break
  }
})

test('why nothing can be subscribed to is told: a wrong key, nobody there, a wrong cursor', async (t) => {
  const { server } = await start(t, {}, 'silent')
  const channels = ['contributions'] as const
  const wrong = createClient({ nodes: server.url, apiKey: 'wrong' })
  assert.equal(codeOf(await failure(wrong.subscribe({ channels }))), 'PROV_016')
  const nobody = createClient({ nodes: 'http://127.0.0.1:1' })
  assert.equal(codeOf(await failure(nobody.subscribe({ channels }))), 'UNREACHABLE')
  const client = createClient({ nodes: server.url })
  assert.equal(codeOf(await failure(client.subscribe({ channels, since: 'x' }))), 'PROV_001')
  const aborted = AbortSignal.abort(new Error('not now'))
  assert.match(String(await failure(client.subscribe({ channels, signal: aborted }))), /not now/)
})

test('a signal ends the iteration with its reason', async (t) => {
  const server = await start(t, {}, 'silent')
  const stop = new AbortController()
  void whenSubscribed(server, () => stop.abort(new Error('enough')))
  const client = createClient({ nodes: server.server.url })
  assert.match(String(await failure(client.subscribe({ channels: ['tau'], signal: stop.signal }))), /enough/)
  await untilGone(server)
})

test('a node that answers nothing, or nonsense, is not waited for', async (t) => {
  const silent = createClient({ nodes: await scripted(t, () => undefined), timeoutMs: 100 })
  assert.equal(codeOf(await failure(silent.subscribe({ channels: ['tau'] }))), 'UNREACHABLE')
  for (const text of ['{', '{"type":"subscribed"}', '{"type":"contribution_added","channel":"contributions"}']) {
    const url = await scripted(t, (socket) => socket.send(text))
    const client = createClient({ nodes: url })
    assert.equal(codeOf(await failure(client.subscribe({ channels: ['tau'] }))), 'BAD_ANSWER')
  }
})

test('the next node is asked where the first does not answer', async (t) => {
  const server = await start(t, {}, 'silent')
  const client = createClient({ nodes: ['http://127.0.0.1:1', server.server.url] })
  void whenSubscribed(server, () => contribute(server.node, 3))
  for await (const item of client.subscribe({ channels: ['contributions'] })) {
    assert.equal(indexOf(item), 3)
    break
  }
})

test('a whole node tells of its peers, and of what it reconciled with them', async (t) => {
  const { node, url } = await nodeWithServer(t)
  const client = createClient({ nodes: url, apiKey: ADMIN_KEY })
  const signal = AbortSignal.timeout(60_000)
  const heard = new Set<string>()
  let stop: (() => Promise<void>) | undefined
  // Every node runs for the first time: the gap says that the subscription holds.
  const since = `${'0'.repeat(16)}-0`
  for await (const item of client.subscribe({ channels: ['peers', 'sync'], since, signal })) {
    if (item.type === 'gap') {
      const other = await nodeInProcess(t, { seeds: [...node.addresses] })
      stop = other.stop
    }
    heard.add(item.type)
    if (item.type === 'sync_progress') assert.equal(typeof item.data.complete, 'boolean')
    if (item.type === 'peer_disconnected') break
    if (heard.has('peer_connected') && heard.has('sync_progress')) {
      void stop?.()
      stop = undefined
    }
  }
  assert.deepEqual([...heard].sort(), ['gap', 'peer_connected', 'peer_disconnected', 'sync_progress'])
})
