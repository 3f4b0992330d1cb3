import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { namingObjection } from '../../src/kernel/telemetry/metric-names.ts'
import { nodeProcess, temporaryFolder } from '../support/processes.ts'

/** Names that the agent network's document fixes, whatever the linter thinks of them. */
const FIXED =
  /^ian_(contributions_received_total|contributions_processed_total|log_size|peer_count|sync_lag|uptime_seconds)\b/

test("what a node measures is what Prometheus' linter accepts", async (t) => {
  const folder = await temporaryFolder(t)
  const seed = await nodeProcess(t, { dataDir: join(folder, 'a') })
  const node = await nodeProcess(t, { dataDir: join(folder, 'b'), seeds: seed.p2p_addrs })
  await fetch(`${node.http_url}/api/v1/discovery/info`)
  const text = await (await fetch(`${node.http_url}/metrics`)).text()

  const types = new Map(Array.from(text.matchAll(/^# TYPE (\S+) (\S+)$/gm), ([, name, type]) => [name!, type!]))
  const helps = new Map(Array.from(text.matchAll(/^# HELP (\S+) (.*)$/gm), ([, name, help]) => [name!, help!]))
  assert.ok(types.size > 50, `${types.size} families`)
  for (const [name, type] of types) {
    const family = { name, type, help: helps.get(name) ?? '' }
    if (!FIXED.test(name)) assert.equal(namingObjection(family), undefined, name)
  }
  for (const name of types.keys()) assert.equal(text.split(`# TYPE ${name} `).length, 2, `${name} once`)

  await t.test('and promtool says the same', (t) => {
    const linted = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
    if (linted.error !== undefined) {
      t.skip(`promtool cannot be run: ${linted.error.message}`)
      return
    }
    const said = `${linted.stdout}${linted.stderr}`.split('\n').filter((line) => line !== '' && !FIXED.test(line))
    assert.deepEqual(said, [])
  })
})
