import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type MetricFamily, namingObjection } from '../../../src/kernel/telemetry/metric-names.ts'
import { createMetrics } from '../../../src/kernel/telemetry/metrics.ts'

const family = (name: string, more: Partial<MetricFamily> = {}): MetricFamily => ({
  name,
  help: 'Things',
  type: 'gauge',
  ...more,
})

test("names by Prometheus' conventions meet no objection", () => {
  for (const one of [
    family('cells'),
    family('wait_seconds'),
    family('size_total_bytes'),
    family('things_total', { type: 'counter', labelNames: ['outcome'] }),
    family('wait_seconds', { type: 'histogram', labelNames: ['le'] }),
    family('ian_things_total', { type: 'untyped' }),
    family('thermometers'),
    family('shapes_msb'),
  ]) {
    assert.equal(namingObjection(one), undefined, one.name)
  }
})

test('what the linter of promtool objects to', () => {
  const cases: [MetricFamily, RegExp][] = [
    [family('cells', { help: '' }), /help/],
    [family('things', { type: 'counter' }), /counter ends in _total/],
    [family('active_handles_total'), /only a counter/],
    [family('peer_count'), /_count/],
    [family('peer_sum', { type: 'gauge' }), /_sum/],
    [family('cells', { labelNames: ['le'] }), /another type/],
    [family('wait_milliseconds'), /base unit/],
    [family('uptime_hours'), /base unit/],
    [family('wait_ms'), /abbreviated/],
    [family('wait_ms_average'), /abbreviated/],
    [family('peers_gauge'), /type in its name/],
    [family('peers_histogram_seconds'), /type in its name/],
    [family('a:b'), /colon/],
    [family('peerCount'), /camelCase/],
    [family('peers', { labelNames: ['peerId'] }), /camelCase/],
  ]
  for (const [one, words] of cases) assert.match(namingObjection(one) ?? '', words, one.name)
})

test('a scrape leaves out what libraries name against the conventions, and nothing of ours', async () => {
  const metrics = createMetrics()
  metrics.untyped({ name: 'ian_peer_count', help: 'Connected peers', read: () => 3 })
  assert.match(await metrics.registry.metrics(), /^nodejs_active_handles_total \d/m)
  const text = await metrics.text()
  assert.doesNotMatch(text, /nodejs_active_(handles|requests|resources)_total/)
  assert.match(text, /^nodejs_active_resources\{/m)
  assert.match(text, /^ian_peer_count 3$/m)
  assert.ok(text.endsWith('\n') && !text.endsWith('\n\n'))
})
