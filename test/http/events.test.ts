import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Compile } from 'typebox/compile'
import { EventAnswer, NodeEvent } from '../../protocol/events.ts'
import type { EventMap } from '../../src/kernel/telemetry/events.ts'
import { EventClient, refusal } from './event-client.ts'
import type { FakeNode } from './fake-node.ts'
import { ADMIN, ADMIN_KEY, send, start } from './harness.ts'

const HEX = 'ab'.repeat(32)
const PEER = '12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX'

const contribution = (goalId: string, logIndex: number): EventMap['contribution_added'] => ({
  goalId,
  contributionId: HEX,
  packHash: HEX,
  contributorId: 'c'.repeat(40),
  score: 1.5,
  logIndex,
})

const contribute = ({ events }: FakeNode, goalId: string, logIndex: number): void =>
  events.emit('contribution_added', contribution(goalId, logIndex))

const indexOf = (message: Readonly<Record<string, unknown>>): unknown =>
  (message.data as { log_index?: unknown } | undefined)?.log_index ?? message.type

const codeOf = (message: Readonly<Record<string, unknown>>): unknown => (message.error as { code?: unknown })?.code

test('the example of the document hears of contributions and of the leaderboard, at both paths', async (t) => {
  const { port, node } = await start(t)
  for (const path of ['/subscribe', '/ws']) {
    const heard: Record<string, unknown>[] = []
    const { promise: subscribed, resolve: onSubscribed } = Promise.withResolvers<void>()
    const { promise: done, resolve: onDone } = Promise.withResolvers<void>()
    const ws = new WebSocket(`ws://127.0.0.1:${port}${path}`)
    ws.onopen = () => ws.send(JSON.stringify({ type: 'subscribe', channels: ['contributions', 'leaderboard'] }))
    ws.onmessage = (event) => {
      const msg = JSON.parse(event.data)
      heard.push(msg)
      if (msg.type === 'subscribed') onSubscribed()
      if (heard.length === 4) onDone()
    }
    await subscribed
    contribute(node, 'g', 7)
    const best = { packHash: HEX, contributorId: 'c'.repeat(40), score: 1.5, logIndex: 7 }
    node.events.emit('leaderboard_update', { goalId: 'g', root: HEX, best })
    await done
    ws.close()
    assert.deepEqual(
      heard.map(({ type }) => type),
      ['welcome', 'subscribed', 'contribution_added', 'leaderboard_update'],
    )
    const { cursor, timestamp, ...rest } = heard[2]!
    assert.match(String(cursor), /^[0-9a-f]{16}-[0-9]+$/)
    assert.ok(Math.abs(Number(timestamp) - Date.now()) < 60_000)
    assert.deepEqual(rest, {
      type: 'contribution_added',
      channel: 'contributions',
      goal_id: 'g',
      data: { contribution_id: HEX, pack_hash: HEX, contributor_id: 'c'.repeat(40), score: 1.5, log_index: 7 },
    })
  }
})

test('every event and every answer has the form that the contract gives it', async (t) => {
  const { port, node } = await start(t)
  const client = await EventClient.open(t, port, { headers: ADMIN })
  const channels = ['contributions', 'leaderboard', 'peers', 'sync', 'tau', 'traffic']
  assert.deepEqual(client.welcome.channels, channels)
  // Numbers come by themselves, and not after what happens.
  const before = await client.subscribe(channels.filter((channel) => channel !== 'traffic'))
  const { events } = node
  contribute(node, 'g', 0)
  events.emit('leaderboard_update', { goalId: 'g', root: HEX, best: null })
  events.emit('peer_connected', { providerId: PEER, address: '/ip4/127.0.0.1/tcp/1', direction: 'inbound' })
  events.emit('peer_disconnected', { providerId: PEER })
  const counts = { rounds: 3, characters: 100, lacking: 7, accepted: 5, ignored: 0, given: 1 }
  events.emit('set_reconciled', { peer: PEER, set: 'yanks', complete: true, ...counts })
  events.emit('tau_commit', { goalId: null, logSize: 3, root: HEX, anchor: 'file' })
  events.emit('tau_commit', { goalId: 'g', logSize: 3, root: HEX, anchor: 'file' })
  const event = Compile(NodeEvent)
  const types: unknown[] = []
  for (let i = 0; i < 7; i++) {
    const message = await client.next()
    assert.ok(event.Check(message), JSON.stringify(message))
    types.push(message.goal_id === undefined ? message.type : `${message.type} ${message.goal_id}`)
  }
  assert.deepEqual(types, [
    'contribution_added g',
    'leaderboard_update g',
    'peer_connected',
    'peer_disconnected',
    'sync_progress',
    'tau_commit',
    'tau_commit g',
  ])
  const answer = Compile(EventAnswer)
  const other = before.replace(/^./, (first) => (first === '0' ? '1' : '0'))
  for (const message of [
    client.welcome,
    await client.ask({ type: 'ping', id: 'a' }),
    await client.ask({ type: 'authenticate', api_key: ADMIN_KEY, id: 'b' }),
    await client.ask({ type: 'unsubscribe', channels: ['sync'], id: 'c' }),
    await client.ask({ type: 'subscribe', channels: ['tau'], goal_id: 'other', since: other, id: 'd' }),
    await client.next(),
    await client.ask({ type: 'nonsense', id: 'e' }),
  ]) {
    assert.ok(answer.Check(message), JSON.stringify(message))
  }
})

test('a client hears only of the channels and goals that it subscribed to, and of each event once', async (t) => {
  const { port, node } = await start(t)
  const client = await EventClient.open(t, port)
  contribute(node, 'a', 0)
  await client.subscribe(['contributions'], { goal_id: 'a' })
  await client.subscribe(['contributions'], { goal_id: 'b' })
  for (const [i, goal] of ['a', 'b', 'c'].entries()) contribute(node, goal, i + 1)
  node.events.emit('leaderboard_update', { goalId: 'a', root: HEX, best: null })
  assert.deepEqual([indexOf(await client.next()), indexOf(await client.next())], [1, 2])
  await client.subscribe(['contributions'])
  contribute(node, 'a', 4)
  contribute(node, 'c', 5)
  assert.deepEqual([indexOf(await client.next()), indexOf(await client.next())], [4, 5])
  const gone = await client.ask({ type: 'unsubscribe', channels: ['contributions'], id: 'x' })
  assert.deepEqual([gone.type, gone.id, gone.channels], ['unsubscribed', 'x', ['contributions']])
  contribute(node, 'a', 6)
  const twice = await client.ask({ type: 'unsubscribe', channels: ['contributions'] })
  assert.match(JSON.stringify(twice), /not subscribed to contributions/)
})

test('private channels need the operator, who proves to be it by key or by signature', async (t) => {
  const publicKey = 'ef'.repeat(32)
  const operator = hash('sha256', Buffer.from(publicKey, 'hex'), 'hex').slice(0, 40)
  const { port, node } = await start(t, {}, 'silent', { operators: [operator] })
  node.presented.set('a-readers-key', { keyId: '0'.repeat(16), role: 'reader' })
  node.presented.set('an-admins-key', { keyId: '1'.repeat(16), role: 'admin' })
  const subscribe = { type: 'subscribe', channels: ['contributions', 'peers'], id: 's' }

  const anybody = await EventClient.open(t, port)
  assert.deepEqual(anybody.welcome.channels, ['contributions', 'leaderboard', 'tau', 'traffic'])
  const refused = await anybody.ask(subscribe)
  assert.deepEqual([refused.type, refused.id, codeOf(refused)], ['error', 's', 'PROV_016'])
  // All or none.
  contribute(node, 'g', 0)
  assert.equal((await anybody.ask({ type: 'ping' })).type, 'pong')

  const reader = await anybody.ask({ type: 'authenticate', api_key: 'a-readers-key' })
  assert.deepEqual([reader.type, reader.role], ['authenticated', 'reader'])
  assert.equal(codeOf(await anybody.ask(subscribe)), 'PROV_015')
  const admin = await anybody.ask({ type: 'authenticate', api_key: 'an-admins-key' })
  assert.deepEqual(admin.channels, ['contributions', 'leaderboard', 'peers', 'sync', 'tau', 'traffic'])
  await anybody.subscribe(['peers'])
  node.events.emit('peer_disconnected', { providerId: PEER })
  assert.equal((await anybody.next()).type, 'peer_disconnected')

  const named = Buffer.from(ADMIN_KEY).toString('base64url')
  const protocols = ['cytoplex.events.v1', `cytoplex.key.${named}`]
  for (const way of [{ headers: ADMIN }, { headers: { Authorization: `Bearer ${ADMIN_KEY}` } }, { protocols }]) {
    const client = await EventClient.open(t, port, way)
    await client.subscribe(['sync'])
    assert.equal(client.socket.protocol, 'protocols' in way ? 'cytoplex.events.v1' : '')
  }

  for (const signer of [publicKey, '00'.repeat(32)]) {
    const client = await EventClient.open(t, port, { path: '/ws' })
    node.signer = `ed25519:${signer}`
    node.signatures.add('qs1.signed')
    const answer = await client.ask({ type: 'authenticate', quantum_signature: 'qs1.signed' })
    if (signer === publicKey) assert.equal(answer.role, 'admin')
    else assert.equal(codeOf(answer), 'PROV_015')
    const body = { type: 'authenticate', challenge: client.welcome.challenge }
    assert.deepEqual(node.targets.at(-1), { method: 'GET', path: '/ws', body })
  }
})

test('three failed attempts to authenticate end a connection', async (t) => {
  const { port } = await start(t, {}, 'silent')
  const client = await EventClient.open(t, port)
  for (const attempt of [{ api_key: 'wrong' }, { quantum_signature: 'wrong' }, {}]) {
    client.say({ type: 'authenticate', ...attempt })
  }
  assert.deepEqual([codeOf(await client.next()), codeOf(await client.next())], ['PROV_016', 'PROV_004'])
  const [code, reason] = await client.closed
  assert.deepEqual([code, reason], [4003, '3 attempts to authenticate failed'])
})

test('a key that is revoked ends the connection that it opened', async (t) => {
  const { port, node } = await start(t, {}, 'silent', { eventLimits: { heartbeatMs: 300 } })
  node.presented.set('a-key', { keyId: '0'.repeat(16), role: 'admin' })
  const client = await EventClient.open(t, port, { headers: { 'X-API-Key': 'a-key' } })
  await client.subscribe(['peers'])
  node.presented.set('a-key', 'revoked')
  assert.equal((await client.closed)[0], 4003)
})

test('what was missed comes first, in order, and then what happens', async (t) => {
  const { port, node } = await start(t)
  const first = await EventClient.open(t, port)
  const before = await first.subscribe(['contributions'])
  contribute(node, 'a', 0)
  const { cursor } = await first.next()
  first.socket.close()
  await first.closed
  for (let i = 1; i <= 5; i++) contribute(node, i === 3 ? 'b' : 'a', i)

  const second = await EventClient.open(t, port)
  await second.subscribe(['contributions'], { since: cursor, goal_id: 'a' })
  contribute(node, 'a', 6)
  const heard: unknown[] = []
  for (let i = 0; i < 5; i++) heard.push(indexOf(await second.next()))
  assert.deepEqual(heard, [1, 2, 4, 5, 6])

  const third = await EventClient.open(t, port)
  await third.subscribe(['contributions'], { since: before })
  assert.equal(indexOf(await third.next()), 0)
})

test('a cursor that is too old, or of another run, is answered with a gap and with what is left', async (t) => {
  const { port, node } = await start(t, {}, 'silent', { eventLimits: { kept: 4 } })
  const { welcome, socket } = await EventClient.open(t, port)
  socket.close()
  for (let i = 0; i < 6; i++) contribute(node, 'g', i)
  const run = String(welcome.cursor).split('-')[0]!
  for (const [since, reason] of [
    [`${run}-1`, 'too_old'],
    ['0123456789abcdef-5', 'other_run'],
  ]) {
    const client = await EventClient.open(t, port)
    await client.subscribe(['contributions'], { since, id: 'again' })
    const { type, id, reason: found, cursor } = await client.next()
    assert.deepEqual([type, id, found, cursor], ['gap', 'again', reason, `${run}-2`])
    const left: unknown[] = []
    for (let i = 0; i < 4; i++) left.push(indexOf(await client.next()))
    assert.deepEqual(left, [2, 3, 4, 5])
  }
  const client = await EventClient.open(t, port)
  await client.subscribe(['contributions'], { since: `${run}-2` })
  for (let i = 2; i < 6; i++) assert.equal(indexOf(await client.next()), i)
  const ahead = await client.ask({ type: 'subscribe', channels: ['tau'], since: `${run}-7` })
  assert.match(JSON.stringify(ahead), /the newest event is/)
})

test('what cannot be understood is answered with what is allowed, and the connection goes on', async (t) => {
  const { port, node } = await start(t)
  const client = await EventClient.open(t, port)
  const cases: readonly (readonly [object | string, RegExp])[] = [
    ['{"type":', /not JSON/],
    ['{"type":"ping","type":"ping"}', /same key twice/],
    ['[]', /a message is a JSON object/],
    ['7', /a message is a JSON object/],
    [Buffer.from('{"type":"ping"}'), /binary/],
    [{}, /found nothing, allowed are subscribe, unsubscribe, authenticate, ping/],
    [{ type: 'publish', id: 'x' }, /"id":"x".*found \\"publish\\"/],
    [{ type: 'constructor' }, /found \\"constructor\\"/],
    [{ type: 'ping', id: 7 }, /id: found 7/],
    [{ type: 'ping', id: 'x'.repeat(65) }, /at most 64/],
    [{ type: 'subscribe' }, /channels is missing/],
    [{ type: 'subscribe', channels: [] }, /at least 1 items/],
    [{ type: 'subscribe', channels: ['everything'] }, /found \\"everything\\", allowed is .*contributions/],
    [{ type: 'subscribe', channels: ['tau', 'tau'] }, /channels/],
    [{ type: 'subscribe', channels: ['tau'], goal_id: 'no goal' }, /goal_id: found/],
    [{ type: 'subscribe', channels: ['tau'], since: 'yesterday' }, /since: found/],
    [{ type: 'subscribe', channels: ['peers'], goal_id: 'g' }, /PROV_016/],
    [{ type: 'unsubscribe', channels: ['tau'], goal_id: 'g' }, /not subscribed to tau of goal g/],
  ]
  for (const [message, expected] of cases) {
    const answer = await client.ask(message)
    assert.equal(answer.type, 'error', JSON.stringify(message))
    assert.match(JSON.stringify(answer), expected)
  }
  await client.subscribe(['contributions'])
  contribute(node, 'g', 1)
  assert.equal(indexOf(await client.next()), 1)

  const operator = await EventClient.open(t, port, { headers: ADMIN })
  const goal = await operator.ask({ type: 'subscribe', channels: ['peers'], goal_id: 'g' })
  assert.match(JSON.stringify(goal), /the channel peers belong to no goal/)
})

test('a connection has a bounded number of subscriptions', async (t) => {
  const { port } = await start(t, {}, 'silent', { eventLimits: { messages: { perSecond: 1000, burst: 1000 } } })
  const client = await EventClient.open(t, port)
  for (let i = 0; i < 32; i++) await client.subscribe(['contributions', 'leaderboard'], { goal_id: `g${i}` })
  await client.subscribe(['contributions'], { goal_id: 'g0' })
  const more = await client.ask({ type: 'subscribe', channels: ['tau'] })
  assert.equal(codeOf(more), 'PROV_013')
})

test('who sends too much is cut off, with messages, pings or replays', async (t) => {
  const { port } = await start(t, {}, 'silent')
  const flood = async (say: (client: EventClient) => void): Promise<readonly [number, string]> => {
    const client = await EventClient.open(t, port)
    for (let i = 0; i < 200; i++) say(client)
    return client.closed
  }
  const [code, reason] = await flood((client) => client.say({ type: 'ping' }))
  assert.deepEqual([code, reason], [4002, 'allowed are 10 messages per second, and 64 at once'])
  assert.equal((await flood((client) => client.say('nonsense')))[0], 4002)
  assert.equal((await flood(({ socket }) => socket.ping()))[0], 4002)
  const { welcome } = await EventClient.open(t, port)
  const again = { type: 'subscribe', channels: ['tau'], since: welcome.cursor }
  const client = await EventClient.open(t, port)
  for (let i = 0; i < 10; i++) client.say(again)
  assert.equal((await client.closed)[0], 4002)
})

test('a message that is too large ends the connection, and no other', async (t) => {
  const { port, node } = await start(t, {}, 'silent')
  const other = await EventClient.open(t, port)
  await other.subscribe(['contributions'])
  const client = await EventClient.open(t, port)
  const fits = await client.ask({ type: 'ping', more: 'x'.repeat(16_000) })
  assert.equal(fits.type, 'pong')
  client.say({ type: 'ping', more: 'x'.repeat(16_384) })
  assert.equal((await client.closed)[0], 1009)
  contribute(node, 'g', 1)
  assert.equal(indexOf(await other.next()), 1)
})

test('who reads too slowly is cut off with a reason, and the others hear everything', async (t) => {
  const { port, node, send: ask } = await start(t, {}, 'silent', { eventLimits: { kept: 256, queuedBytes: 64 * 1024 } })
  const slow = await EventClient.open(t, port, { headers: ADMIN })
  await slow.subscribe(['peers'])
  const fast = await EventClient.open(t, port)
  await fast.subscribe(['contributions'])
  slow.socket.pause()
  const address = `/dns4/${'a'.repeat(20_000)}/tcp/1`
  const dropped = /^cytoplex_events_dropped_total\{reason="slow"\} 1$/m
  let count = 0
  while (count % 100 !== 0 || count === 0 || !dropped.test((await ask({ path: '/metrics' })).text)) {
    assert.ok(count < 20_000, 'a client that reads nothing is still served')
    node.events.emit('peer_connected', { providerId: PEER, address, direction: 'inbound' })
    contribute(node, 'g', count++)
    await setImmediate()
  }
  slow.socket.resume()
  const [code, reason] = await slow.closed
  assert.deepEqual([code, reason], [4001, 'events came faster than they were read; come back with the last cursor'])
  for (let i = 0; i < count; i++) assert.equal(indexOf(await fast.next()), i)
})

test('a reader that keeps up gets a burst that is larger than its buffer, once and in order', async (t) => {
  const { port, node } = await start(t, {}, 'silent', { eventLimits: { queuedBytes: 1024 } })
  const client = await EventClient.open(t, port)
  const since = await client.subscribe(['contributions'])
  for (let i = 0; i < 5000; i++) contribute(node, 'g', i)
  for (let i = 0; i < 5000; i++) assert.equal(indexOf(await client.next()), i)
  const late = await EventClient.open(t, port)
  await late.subscribe(['contributions'], { since })
  for (let i = 0; i < 5000; i++) assert.equal(indexOf(await late.next()), i)
})

test('pages of other origins, foreign hosts and wrong keys do not connect', async (t) => {
  const listed = 'https://app.example'
  const { port, server } = await start(t, { allowed_origins: [listed] }, 'silent')
  for (const origin of ['https://evil.example', 'null', `http://127.0.0.1:${port + 1}`, `${listed}.evil`]) {
    const { status, code } = await refusal(port, { origin })
    assert.deepEqual([origin, status, code], [origin, 403, 'PROV_015'])
  }
  for (const origin of [listed, server.url]) await EventClient.open(t, port, { origin })
  assert.equal((await refusal(port, { headers: { Host: 'evil.example' } })).status, 421)
  for (const way of [
    { headers: { 'X-API-Key': 'wrong' } },
    { headers: { Authorization: 'Bearer wrong' } },
    { protocols: ['cytoplex.key.d3Jvbmc'] },
    { protocols: ['cytoplex.key.!'] },
  ]) {
    const { status, code } = await refusal(port, way)
    assert.deepEqual([status, code], [401, 'PROV_016'], JSON.stringify(way))
  }
})

test('where reading needs a key, connecting does too', async (t) => {
  const { port, node } = await start(t, { open_reading: false }, 'silent')
  node.presented.set('a-readers-key', { keyId: '0'.repeat(16), role: 'reader' })
  assert.equal((await refusal(port)).status, 401)
  const protocols = ['cytoplex.events.v1', `cytoplex.key.${Buffer.from('a-readers-key').toString('base64url')}`]
  const client = await EventClient.open(t, port, { protocols })
  await client.subscribe(['contributions'])
})

test('connecting counts as a request', async (t) => {
  const limits = { anonymous: 2, reader: 0, publisher: 0, admin: 0 }
  const { port } = await start(t, { rate_per_minute: limits }, 'silent')
  await EventClient.open(t, port)
  await EventClient.open(t, port)
  const { status, code, retryAfter } = await refusal(port)
  assert.deepEqual([status, code, retryAfter], [429, 'PROV_013', '60'])
  await EventClient.open(t, port, { headers: ADMIN })
})

test('connections are limited, in all and per address, and make room when they end', async (t) => {
  const eventLimits = { connections: 4, connectionsPerAddress: 3 }
  const { port, send: ask } = await start(t, {}, 'silent', { eventLimits })
  const own: EventClient[] = []
  for (let i = 0; i < 3; i++) own.push(await EventClient.open(t, port))
  const here = await refusal(port)
  assert.deepEqual([here.status, here.code], [429, 'PROV_013'])
  assert.match(here.message, /more than that one address takes/)
  const elsewhere = await EventClient.open(t, port, { localAddress: '127.0.0.2' })
  assert.match((await refusal(port, { localAddress: '127.0.0.3' })).message, /more than that this node takes/)
  const { text } = await ask({ path: '/metrics' })
  assert.match(text, /^cytoplex_events_connections 4$/m)
  assert.match(text, /^cytoplex_events_refused_total\{status="429"\} 2$/m)
  elsewhere.socket.close()
  own[0]!.socket.terminate()
  await Promise.all([elsewhere.closed, own[0]!.closed])
  await untilConnections(port, 2)
  await EventClient.open(t, port)
})

/** Waits until the server has seen connections end. */
async function untilConnections(port: number, count: number): Promise<void> {
  while (
    !new RegExp(`^cytoplex_events_connections ${count}$`, 'm').test((await send(port, { path: '/metrics' })).text)
  ) {
    await setImmediate()
  }
}

test('who gives no sign of life, or listens to nothing, is let go', async (t) => {
  const { port } = await start(t, {}, 'silent', { eventLimits: { heartbeatMs: 400, idleBeats: 1 } })
  const alive = await EventClient.open(t, port)
  await alive.subscribe(['contributions'])
  const dead = await EventClient.open(t, port, { autoPong: false })
  await dead.subscribe(['contributions'])
  assert.deepEqual(await dead.closed, [4004, 'no sign of life'])
  const idle = await EventClient.open(t, port)
  assert.deepEqual(await idle.closed, [4004, 'subscribed to nothing'])
  assert.equal((await alive.ask({ type: 'ping' })).type, 'pong')
})

test('a server that stops says so, and does not wait for those who do not listen', async (t) => {
  const { port, server } = await start(t, {}, 'silent')
  const client = await EventClient.open(t, port)
  await client.subscribe(['contributions'])
  const deaf = await EventClient.open(t, port)
  deaf.socket.pause()
  await server.close()
  assert.deepEqual(await client.closed, [1001, 'the node is stopping'])
  deaf.socket.resume()
  await deaf.closed
})

test('a connection that breaks leaves nothing behind', async (t) => {
  const { port, node } = await start(t, {}, 'silent')
  const client = await EventClient.open(t, port)
  await client.subscribe(['contributions'])
  client.socket.terminate()
  await untilConnections(port, 0)
  contribute(node, 'g', 1)
  assert.equal((await send(port, { path: '/health' })).status, 200)
})

test('other upgrades are answered over HTTP, and other WebSockets refused', async (t) => {
  const { port } = await start(t, {}, 'silent')
  const upgrade = { Connection: 'Upgrade', Upgrade: 'h2c' }
  assert.equal((await send(port, { path: '/health', headers: upgrade })).text, 'OK')
  assert.equal((await refusal(port, { path: '/nowhere' })).status, 404)
  const plain = await send(port, { path: '/subscribe' })
  assert.deepEqual([plain.status, plain.headers.upgrade], [426, 'websocket'])
  const posted = await send(port, { path: '/subscribe', method: 'POST' })
  assert.equal(posted.status, 405)
})

test('frames that break the protocol end the connection, and no other', async (t) => {
  const { port } = await start(t, {}, 'silent')
  const other = await EventClient.open(t, port)
  const client = await EventClient.open(t, port)
  const raw = client.socket as unknown as { _socket: { write(bytes: Buffer): void } }
  // Not masked, and of an unknown kind.
  raw._socket.write(Buffer.from([0x83, 0x01, 0x41]))
  assert.equal((await client.closed)[0], 1002)
  assert.equal((await other.ask({ type: 'ping' })).type, 'pong')
})

test('metrics count what was sent', async (t) => {
  const harness = await start(t, {}, 'silent')
  const client = await EventClient.open(t, harness.port)
  await client.subscribe(['contributions'])
  contribute(harness.node, 'g', 1)
  await client.next()
  const sent = async () => /^cytoplex_events_sent_total (\d+)$/m.exec((await harness.send({ path: '/metrics' })).text)
  assert.equal((await sent())?.[1], '1')
  client.socket.close()
  await once(client.socket, 'close')
  await untilConnections(harness.port, 0)
  assert.equal((await sent())?.[1], '1')
})

test('the traffic is told while somebody listens to it, and is no part of what happened', async (t) => {
  const { port, send: ask } = await start(t, {}, 'silent', { eventLimits: { sampleMs: 20 } })
  const idle = await EventClient.open(t, port)
  assert.match(String(idle.welcome.cursor), /-0$/)
  const client = await EventClient.open(t, port)
  await client.subscribe(['traffic'])
  assert.equal((await ask({ path: '/health' })).status, 200)
  const event = Compile(NodeEvent)
  let sample: Readonly<Record<string, unknown>>
  do {
    sample = await client.next()
    assert.ok(event.Check(sample), JSON.stringify(sample))
    assert.equal(sample.type, 'traffic_sample')
  } while ((sample.data as { requests: number }).requests === 0)
  const { requests, failures, average_ms, slowest_ms } = sample.data as Record<string, number>
  assert.deepEqual([requests, failures], [1, 0])
  assert.ok(average_ms! > 0 && slowest_ms! >= average_ms!)
  assert.equal((await idle.ask({ type: 'subscribe', channels: ['traffic'], goal_id: 'g' })).type, 'error')
})
