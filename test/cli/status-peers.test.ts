import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { PeerList } from '../../protocol/peers.ts'
import { providerInfo } from '../support/provider-info.ts'
import { warmCytoplex } from './warm.ts'

const PROVIDER = '12D3KooWHM7rryjwQRAp4mV2chMnv9kMBxnSLEE59QVPzNkzaNMb'
const EVIL = 'a\u001b[2J\u202eb'

const INFO = providerInfo({
  provider_id: PROVIDER,
  name: EVIL,
  capability_count: 3,
  cell_count: 7,
  federation_status: { federated: true, federation_partners: [] },
  multiaddrs: ['/ip4/127.0.0.1/tcp/9000'],
})

const PEERS: PeerList = {
  goal_id: null,
  total: 1,
  stats: { total: 1, banned: 2, trusted: 1, low_score: 0, avg_score: 160 },
  peers: [
    {
      node_id: 'c0d7',
      public_key: 'AA==',
      addresses: ['tcp://127.0.0.1:9001'],
      capabilities: {
        accepts_contributions: null,
        serves_leaderboard: null,
        serves_log_proofs: true,
        goal_ids: [],
        protocol_version: '1.0.0',
        software_version: EVIL,
      },
      timestamp: 1_700_000_000_000,
      peer_score: { score: 160, banned: false, trusted: true },
      provider_id: PROVIDER,
      multiaddrs: ['/ip4/127.0.0.1/tcp/9001'],
      direction: 'outbound',
      connected_ms: 7_300_000,
      round_trip_ms: null,
      traffic_bytes: { sent: 1, received: 2 },
      cells: 12,
      seed: true,
    },
  ],
  seeds: [{ address: '127.0.0.1:9002', connected: false, attempts: 3, last_error: EVIL }],
  known_providers: 4,
  providers: [
    { provider_id: PROVIDER.replace(/.$/, 'Q'), cells: 3, connected: false, reachable: false, last_seen: null },
  ],
}

type Answer = [status: number, body: unknown]

/** A server that answers with JSON for objects and with text for strings. */
async function fakeNode(context: TestContext, answer: (request: IncomingMessage) => Answer): Promise<string> {
  const server = createServer((request, response) => {
    const [status, body] = answer(request)
    const isText = typeof body === 'string'
    response.writeHead(status, { 'Content-Type': isText ? 'text/plain' : 'application/json', Connection: 'close' })
    response.end(isText ? body : JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  context.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const answers =
  (ready: Answer) =>
  (request: IncomingMessage): Answer => {
    if (request.url === '/ready') return ready
    if (request.url === '/api/v1/discovery/info') return [200, INFO]
    if (request.url !== '/api/v1/peers') return [404, { status: 'error' }]
    return request.headers['x-api-key'] === 'the-right-one'
      ? [200, PEERS]
      : [401, { status: 'error', error: { code: 'PROV_016', message: 'Authentication required' } }]
  }

test('status of a node that is ready', async (context) => {
  const url = await fakeNode(context, answers([200, 'READY']))
  const [asText, asJson] = await Promise.all([
    warmCytoplex(['status', '--node', url]),
    warmCytoplex(['status', '--node', url, '--json']),
  ])
  assert.deepEqual([asText.code, asText.stderr], [0, ''])
  assert.match(asText.stdout, /^READY\n/)
  assert.match(asText.stdout, new RegExp(`provider id +${PROVIDER}`))
  assert.match(asText.stdout, /name +a\\u001b\[2J\\u202eb/)
  assert.deepEqual(JSON.parse(asJson.stdout), { url, ready: true, readiness: 'READY', info: INFO })
})

test('status of one that is degraded, and of one that is not ready', async (context) => {
  const degraded = await fakeNode(context, answers([200, 'DEGRADED: lag 6']))
  const not = await fakeNode(context, answers([503, 'NOT READY: no peers']))
  const [first, second] = await Promise.all([
    warmCytoplex(['status', '--node', degraded]),
    warmCytoplex(['status', '--node', not]),
  ])
  assert.deepEqual([first.code, first.stdout.split('\n')[0]], [0, 'DEGRADED: lag 6'])
  assert.deepEqual([second.code, second.stdout.split('\n')[0]], [1, 'NOT READY: no peers'])
  assert.equal(second.stderr, 'cytoplex: the node is NOT READY: no peers\n')
})

test('peers and seeds', async (context) => {
  const url = await fakeNode(context, answers([200, 'READY']))
  const target = ['--node', url, '--api-key', 'the-right-one']
  const [asText, asJson] = await Promise.all([
    warmCytoplex(['peers', ...target]),
    warmCytoplex(['peers', ...target, '--json']),
  ])
  assert.deepEqual([asText.code, asText.stderr], [0, ''])
  assert.match(
    asText.stdout,
    new RegExp(`^${PROVIDER} +outbound +12 +yes +160 trusted +2 h +/ip4/127.0.0.1/tcp/9001$`, 'm'),
  )
  assert.match(asText.stdout, /^127\.0\.0\.1:9002 +no +3 +a\\u001b\[2J\\u202eb$/m)
  assert.match(asText.stdout, /^KNOWN PROVIDER .*\n\S+Q +3 +no +-$/m)
  assert.match(asText.stdout, /4 providers known/)
  assert.match(asText.stdout, /2 banned/)
  assert.deepEqual(JSON.parse(asJson.stdout), PEERS)
})

test('peers are banned, listed and let in again', async (context) => {
  const ban = { provider_id: PROVIDER, reason: EVIL, since: '2026-01-01T00:00:00.000Z', until: null }
  const asked: string[] = []
  const url = await fakeNode(context, (request) => {
    asked.push(`${request.method} ${request.url}`)
    if (request.url === '/api/v1/peers/banned') return [200, { total: 1, bans: [ban] }]
    if (request.url !== `/api/v1/peers/${PROVIDER}/ban`) return [404, { status: 'error' }]
    if (request.method === 'POST') return [200, ban]
    return [200, { provider_id: PROVIDER, peer_score: { score: 100, banned: false, trusted: false } }]
  })
  const target = ['--node', url, '--api-key', 'the-right-one']
  const made = await warmCytoplex(['peers', 'ban', PROVIDER, '--reason', 'sends garbage', ...target])
  assert.deepEqual([made.code, made.stdout], [0, `${PROVIDER} is banned until you lift it.\n`])
  const listed = await warmCytoplex(['peers', 'banned', ...target])
  assert.match(listed.stdout, new RegExp(`^${PROVIDER} +2026-01-01T00:00:00.000Z +lifted +a\\\\u001b`, 'm'))
  const lifted = await warmCytoplex(['peers', 'unban', PROVIDER, ...target, '--json'])
  assert.equal(JSON.parse(lifted.stdout).peer_score.score, 100)
  const wrong = await warmCytoplex(['peers', 'ban', PROVIDER, '--hours', 'two', ...target])
  assert.equal(wrong.code, 2)
  assert.deepEqual(asked, [
    `POST /api/v1/peers/${PROVIDER}/ban`,
    'GET /api/v1/peers/banned',
    `DELETE /api/v1/peers/${PROVIDER}/ban`,
  ])
})

test('without the right key: exit 4', async (context) => {
  const url = await fakeNode(context, answers([200, 'READY']))
  const { code, stdout, stderr } = await warmCytoplex(['peers', '--node', url, '--json'])
  assert.deepEqual([code, stdout], [4, ''])
  assert.equal(JSON.parse(stderr).error.code, 'PROV_016')
})

test('nobody there: exit 5, and the reason', async (context) => {
  const url = await fakeNode(context, () => [200, {}])
  const other = await warmCytoplex(['status', '--node', url])
  assert.equal(other.code, 1)
  assert.match(other.stderr, /^cytoplex: http.* answered, but not as a Cytoplex node does\n$/)

  // Nothing listens on the port of a server that was closed.
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  const { code, stderr } = await warmCytoplex(['status', '--node', `http://127.0.0.1:${port}`])
  assert.equal(code, 5)
  assert.match(
    stderr,
    /^cytoplex: no node answered: .*ECONNREFUSED.*\); start one with cytoplex start, or .* cytoplex doctor\n$/,
  )
})
