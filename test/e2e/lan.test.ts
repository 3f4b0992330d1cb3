import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { NodeInfo, NodeStatus } from '../../protocol/node-info.ts'
import type { PeerList } from '../../protocol/peers.ts'
import type { NodeProcess } from '../../scripts/nodes.ts'
import { lanMissing, openLan } from '../support/lan.ts'
import { nodeProcess, temporaryFolder, upload } from '../support/processes.ts'

const NODES = 10
const CUT_MS = 60_000
/** Milliseconds after healing in which all nodes have to know the same. */
const HEALED_MS = 30_000
const JOINED_MS = 5000
const YANKED_MS = 2000
const CHURN_MS = 60_000
/** Share of the nodes that go and come back in that time. */
const CHURN = 0.3

const skip = process.env.LONG_TESTS ? (lanMissing() ?? false) : 'takes minutes: npm run test:long'

const ask = ({ http_url, adminKey }: NodeProcess, path: string): Promise<Response> =>
  fetch(`${http_url}${path}`, { headers: { 'X-API-Key': adminKey } })

async function get<Answer>(node: NodeProcess, path: string): Promise<Answer> {
  const response = await ask(node, path)
  assert.equal(response.status, 200, `${path}: ${await response.clone().text()}`)
  return (await response.json()) as Answer
}

/** How a node says that it stands, at each of the places where it does. */
interface Standing {
  readonly info: string
  readonly metrics: string
  readonly ready: string
  readonly lags: readonly number[]
}

async function standingOf(node: NodeProcess): Promise<Standing> {
  const { consensus_state: info } = await get<NodeInfo>(node, '/info')
  const { metrics } = await get<NodeStatus>(node, '/status')
  const text = await (await ask(node, '/metrics')).text()
  return {
    info,
    metrics: /^cytoplex_sync_consensus_state\{state="(\w+)"\} 1$/m.exec(text)?.[1] ?? 'none',
    ready: await (await ask(node, '/ready')).text(),
    lags: [metrics.gauges.sync_lag, Number(/^ian_sync_lag (\d+)$/m.exec(text)?.[1])],
  }
}

const IN_STEP: Standing = { info: 'ACTIVE', metrics: 'ACTIVE', ready: 'READY', lags: [0, 0] }
const ALONE: Standing = {
  info: 'ISOLATED',
  metrics: 'ISOLATED',
  ready: 'NOT READY: Low peer count: 0; network: 0 peers, 0 of 3 seeds connected',
  lags: [0, 0],
}

/** What a node knows of the cells of others and of itself, and the roots of what is shared for good. */
async function knowledgeOf(node: NodeProcess, own: number): Promise<{ directory: string[]; roots: string[] }> {
  const { providers } = await get<PeerList>(node, '/api/v1/peers')
  const known = providers.filter(({ cells }) => cells > 0).map(({ provider_id, cells }) => `${provider_id} ${cells}`)
  const { sets } = await get<NodeStatus>(node, '/status')
  return {
    directory: [...known, `${node.provider_id} ${own}`].sort(),
    roots: sets.flatMap(({ name, root }) => (root === undefined ? [] : [`${name} ${root}`])).sort(),
  }
}

/** Resolves with the milliseconds after which `holds` did not throw any more. */
async function within(ms: number, holds: () => Promise<void>): Promise<number> {
  const since = performance.now()
  while (true) {
    try {
      await holds()
      return performance.now() - since
    } catch (error) {
      if (performance.now() - since > ms) throw error
    }
    await pause(50)
  }
}

test('ten nodes on a LAN converge after kills, churn and a partition, and late joiners and yanks are quick', {
  skip,
}, async (t) => {
  const folder = await temporaryFolder(t)
  const lan = openLan(t, NODES + 1)
  const nodes: NodeProcess[] = []
  const registered = new Map<string, number>()
  const start = async (i: number): Promise<NodeProcess> => {
    const { runner, address, control } = lan.machines[i]!
    // Everybody but the first knows three others.
    const seeds = [i - 1, i - 2, i - 3].flatMap((other) => nodes[other]?.p2p_addrs[0] ?? [])
    // The port stays the same over restarts, so that seeds stay right.
    const args = ['--p2p-port', '9000']
    const hosts = { http: control, p2p: address }
    const node = await nodeProcess(t, { dataDir: join(folder, String(i)), seeds, runner, hosts, args })
    nodes[i] = node
    return node
  }
  const register = async (i: number): Promise<void> => {
    const node = nodes[i]!
    const count = (registered.get(node.provider_id) ?? 0) + 1
    const metadata = {
      cell_type: `cell-${i}`,
      version: `1.${count}.0`,
      capabilities: [{ name: `do-${i}`, version: `1.${count}.0` }],
      packaging_format: 'document',
    }
    const response = await upload(node, metadata, Buffer.from(`document ${count} of node ${i}`))
    assert.equal(response.status, 201, await response.text())
    registered.set(node.provider_id, count)
  }
  const converged = async (): Promise<void> => {
    const all = await Promise.all(nodes.map((node) => knowledgeOf(node, registered.get(node.provider_id) ?? 0)))
    for (const one of all) {
      assert.deepEqual(one, all[0])
      assert.equal(one.directory.length, nodes.length)
    }
    for (const standing of await Promise.all(nodes.map(standingOf))) assert.deepEqual(standing, IN_STEP)
  }
  const yank = async (i: number, version: string): Promise<void> => {
    const { http_url, adminKey } = nodes[i]!
    const response = await fetch(`${http_url}/api/v1/repository/cells/cell-${i}/${version}/yank`, {
      method: 'POST',
      headers: { 'X-API-Key': adminKey, 'Content-Type': 'application/json' },
      body: JSON.stringify({ reason: 'broken' }),
    })
    assert.equal(response.status, 200, await response.text())
  }
  const yanksAt = async (i: number): Promise<number | undefined> =>
    (await get<NodeStatus>(nodes[i]!, '/status')).sets.find(({ name }) => name === 'yanks')?.count

  for (let i = 0; i < NODES; i++) {
    await start(i)
    await register(i)
  }
  console.log(`ten nodes know the same after ${await within(HEALED_MS, converged)} ms`)

  const killed = [2, 5, 8]
  await Promise.all(killed.map((i) => nodes[i]!.stop('SIGKILL')))
  for (const i of killed) await start(i)
  console.log(`after kill -9 of three: ${await within(HEALED_MS, converged)} ms`)

  const churned = Math.round(NODES * CHURN)
  for (let n = 0; n < churned; n++) {
    const i = 1 + ((n * 4) % (NODES - 1))
    await nodes[i]!.stop()
    await pause(CHURN_MS / churned / 2)
    await start(i)
    await register((i + 3) % NODES)
    await pause(CHURN_MS / churned / 2)
  }
  console.log(`after churn of 30 % in a minute: ${await within(HEALED_MS, converged)} ms`)

  const parts = [[0, 1, 2, 3], [4, 5, 6, 7, 8], [9]]
  lan.cut(...parts)
  const end = performance.now() + CUT_MS
  for (let i = 0; i < NODES; i++) await register(i)
  for (const i of [0, 4, 5, 9]) await yank(i, '1.1.0')
  const alone = await within(CUT_MS, async () => assert.deepEqual(await standingOf(nodes[9]!), ALONE))
  console.log(`a node that is cut off says so after ${alone} ms`)
  await pause(Math.max(0, end - performance.now()))
  const yanks = await Promise.all(parts.map((part) => Promise.all(part.map(yanksAt))))
  assert.deepEqual(yanks, [Array(4).fill(1), Array(5).fill(2), [1]], 'each part knows its own')
  lan.heal()
  console.log(`after a partition of a minute: ${await within(HEALED_MS, converged)} ms`)

  const joining = performance.now()
  await start(NODES)
  await register(NODES)
  const joined = performance.now() - joining
  console.log(
    `a late joiner knows all ${await within(JOINED_MS, converged)} ms after it started and registered in ${joined} ms`,
  )

  await yank(0, '1.2.0')
  const yanked = async (): Promise<void> => {
    const counts = await Promise.all(nodes.keys().map(yanksAt))
    assert.deepEqual(new Set(counts), new Set([5]))
  }
  console.log(`a yank reaches all after ${await within(YANKED_MS, yanked)} ms`)
})
