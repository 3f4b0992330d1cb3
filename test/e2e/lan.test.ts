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

async function get<Answer>({ http_url, adminKey }: NodeProcess, path: string): Promise<Answer> {
  const response = await fetch(`${http_url}${path}`, { headers: { 'X-API-Key': adminKey } })
  assert.equal(response.status, 200, `${path}: ${await response.clone().text()}`)
  return (await response.json()) as Answer
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
    const states = await Promise.all(nodes.map(async (node) => (await get<NodeInfo>(node, '/info')).consensus_state))
    assert.deepEqual(new Set(states), new Set(['ACTIVE']))
  }

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

  const apart = [0, 1, 2, 3, 4]
  lan.cut(apart)
  const end = performance.now() + CUT_MS
  for (let i = 0; i < NODES; i++) await register(i)
  await pause(Math.max(0, end - performance.now()))
  lan.heal()
  console.log(`after a partition of a minute: ${await within(HEALED_MS, converged)} ms`)

  await start(NODES)
  await register(NODES)
  console.log(`a late joiner knows all after ${await within(JOINED_MS, converged)} ms`)

  const { http_url, adminKey } = nodes[0]!
  const yank = await fetch(`${http_url}/api/v1/repository/cells/cell-0/1.1.0/yank`, {
    method: 'POST',
    headers: { 'X-API-Key': adminKey, 'Content-Type': 'application/json' },
    body: JSON.stringify({ reason: 'broken' }),
  })
  assert.equal(yank.status, 200, await yank.text())
  const yanked = async (): Promise<void> => {
    for (const node of nodes) {
      const { sets } = await get<NodeStatus>(node, '/status')
      assert.equal(sets.find(({ name }) => name === 'yanks')?.count, 1)
    }
  }
  console.log(`a yank reaches all after ${await within(YANKED_MS, yanked)} ms`)
})
