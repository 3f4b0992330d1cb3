import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concernsOf } from '../../src/dashboard/attention.ts'
import { bestSoFar, frontOf } from '../../src/dashboard/goal-plots.ts'
import { GRAPH, type GraphNode, layOut, SHOWN_NODES } from '../../src/dashboard/graph-layout.ts'
import { highlighted } from '../../src/dashboard/highlight.ts'
import { NO_TRAFFIC, withSample } from '../../src/dashboard/traffic-samples.ts'

const leaf = (index: number, score: number, reward: number, risk: number) => ({
  log_index: index,
  leaf: JSON.stringify({ score, metrics: { reward, risk } }),
})

test('the best score grows along the log, and leaves that say something else are left out', () => {
  const leaves = [
    leaf(0, 2, 0, 0),
    leaf(1, 1, 0, 0),
    { log_index: 2, leaf: 'x' },
    { log_index: 3, leaf: '{}' },
    leaf(4, 3, 0, 0),
  ]
  assert.deepEqual(bestSoFar(leaves), [
    [0, 1, 4],
    [2, 2, 3],
    [2, 1, 3],
  ])
})

test('on the front is what no other beats in both', () => {
  assert.deepEqual(frontOf([leaf(0, 0, 5, 3), leaf(1, 0, 2, 1), leaf(2, 0, 1, 2), leaf(3, 0, 1, 1)]), [
    [1, 1, 2, 3],
    [2, 1, 1, 5],
    [2, null, null, 5],
  ])
})

test('the graph has this node in the middle, near nodes nearer, nobody outside, and is the same each time', () => {
  const peers: GraphNode[] = Array.from({ length: 300 }, (_, at) => ({
    id: `peer ${at}`,
    kind: 'peer',
    distanceMs: at < 3 ? 1 : 900,
    cells: at,
  }))
  const nodes: GraphNode[] = [{ id: 'self', kind: 'self' }, ...peers.slice(0, 6)]
  const placed = layOut(nodes)
  const far = ({ x, y }: { x: number; y: number }) => Math.hypot(x - GRAPH.width / 2, y - GRAPH.height / 2)
  assert.equal(far(placed[0]!), 0)
  const near = placed.slice(1, 4).map(far)
  assert.ok(Math.max(...near) < Math.min(...placed.slice(4).map(far)), near.join())
  assert.deepEqual(layOut(nodes), placed)
  const many = layOut(peers)
  assert.equal(many.length, SHOWN_NODES)
  assert.ok(many.every(({ x, y }) => x >= 0 && x <= GRAPH.width && y >= 0 && y <= GRAPH.height))
})

test('cited parts are marked in place, in bytes, and spans that make no sense mark nothing twice', () => {
  const document = Buffer.from('Grüße. Die Miete. Ende.')
  const from = document.indexOf('Die')
  const spans = [{ start: from, end: from + 'Die Miete.'.length }]
  assert.deepEqual(highlighted(document, spans), [
    { text: 'Grüße. ', mark: undefined },
    { text: 'Die Miete.', mark: 0 },
    { text: ' Ende.', mark: undefined },
  ])
  for (const wrong of [[{ start: 90, end: 99 }], [{ start: 5, end: 2 }], [...spans, ...spans]]) {
    assert.equal(
      highlighted(document, wrong)
        .map(({ text }) => text)
        .join(''),
      document.toString(),
    )
  }
})

test('traffic is kept for as long as it is shown', () => {
  let columns = NO_TRAFFIC
  for (let at = 0; at < 400; at++) {
    const data = { seconds: 2, requests: at, failures: 0, average_ms: null, slowest_ms: null }
    columns = withSample(columns, {
      type: 'traffic_sample',
      channel: 'traffic',
      data,
      cursor: '',
      timestamp: at * 1000,
    })
  }
  assert.deepEqual(
    [columns[0].length, columns[0].at(-1), columns[1].at(-1), columns[2].at(-1)],
    [300, 399, 199.5, null],
  )
})

test('what needs attention says what helps, the worst first', () => {
  const healthy = { status: 'healthy' as const, message: 'fine' }
  const concerns = concernsOf({
    health: {
      status: 'degraded',
      message: '',
      components: [
        { name: 'store', ...healthy },
        { name: 'disk', status: 'degraded', message: '2 % free' },
      ],
      metrics: { current_request_rate: 1, average_response_time_ms: 900, success_rate_percent: 90 },
      scheduled_maintenance: [],
      timestamp: '',
    },
    status: {
      uptime_seconds: 1,
      metrics: {
        counters: { contributions_received_total: 0, contributions_processed_total: 0 },
        gauges: { log_size: 0, peer_count: 0, sync_lag: 0 },
      },
      checks: { sync: healthy, peers: { status: 'unhealthy', message: 'nobody' }, consensus: healthy },
      sets: [],
    },
    ready: 'NOT READY: nobody',
  })
  assert.deepEqual(
    concerns.map(({ tone, what }) => `${tone} ${what}`),
    [
      'bad peers: nobody',
      'bad NOT READY: nobody',
      'bad 10.0 % of the answers of the last five minutes were errors of the node',
      'fair disk: 2 % free',
      'fair answers take 900 ms on average',
    ],
  )
  assert.ok(concerns.every(({ advice }) => advice.length > 20))
  assert.deepEqual(concernsOf({}), [])
})
