import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Gauge } from 'prom-client'
import { createMetrics } from '../../../src/kernel/telemetry/metrics.ts'

test('metrics of two nodes in one process do not mix', async () => {
  const [a, b] = [createMetrics(), createMetrics()]
  a.counter({ name: 'cytoplex_things_total', help: 'Things' }).inc(2)
  b.counter({ name: 'cytoplex_things_total', help: 'Things' })
  assert.match(await a.registry.metrics(), /^cytoplex_things_total 2$/m)
  assert.match(await b.registry.metrics(), /^cytoplex_things_total 0$/m)
})

test('the process tells about itself without a prefix', async () => {
  const text = await createMetrics().registry.metrics()
  assert.match(text, /^process_resident_memory_bytes \d/m)
  assert.match(text, /^nodejs_version_info\{/m)
})

test('labels, lazily collected gauges and buckets', async () => {
  const metrics = createMetrics()
  const collect = () => gauge.set(7)
  const gauge: Gauge = metrics.gauge({ name: 'cytoplex_cells', help: 'Cells', collect })
  metrics.counter({ name: 'cytoplex_answers_total', help: 'Answers', labels: ['outcome'] }).inc({ outcome: 'success' })
  metrics.histogram({ name: 'cytoplex_wait_seconds', help: 'Wait', buckets: [0.1, 1] }).observe(0.5)
  const text = await metrics.registry.metrics()
  assert.match(text, /^cytoplex_cells 7$/m)
  assert.match(text, /^cytoplex_answers_total\{outcome="success"\} 1$/m)
  assert.match(text, /^cytoplex_wait_seconds_bucket\{le="0.1"\} 0$/m)
  assert.match(text, /^cytoplex_wait_seconds_bucket\{le="1"\} 1$/m)
})

test('a name that is taken throws', () => {
  const metrics = createMetrics()
  metrics.gauge({ name: 'cytoplex_cells', help: 'Cells' })
  assert.throws(() => metrics.counter({ name: 'cytoplex_cells', help: 'Cells' }), /already been registered/)
})
