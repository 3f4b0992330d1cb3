import { strict as assert } from 'node:assert'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { DoctorReport } from '../../protocol/doctor.ts'
import type { NodeProcess } from '../../scripts/nodes.ts'
import { cleanEnvironment } from '../cli/launch.ts'
import { warmCytoplex as cytoplex } from '../cli/warm.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, temporaryFolder, untilAnswered, upload } from '../support/processes.ts'

const small = await readFile(SMALL_MODULE)
const register = async (node: NodeProcess, name: string) => {
  const metadata = { cell_type: name, version: '1.0.0', capabilities: [{ name: `use-${name}`, version: '1.0.0' }] }
  assert.equal((await upload(node, metadata, small)).status, 201)
}

const closedPort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** What the verb found, by stage, and how it ended. */
async function doctor(...args: string[]) {
  const { code, stdout, stderr } = await cytoplex(['doctor', ...args, '--json'])
  const report = JSON.parse(stdout) as DoctorReport
  assert.equal(code, report.ok ? 0 : 1, stderr)
  return { ...report, stages: Object.fromEntries(report.checks.map((check) => [check.stage, check])) }
}

test('doctor says that everything works, or which stage does not and what to do', async (t) => {
  const folder = await temporaryFolder(t)
  const b = await nodeProcess(t, { dataDir: join(folder, 'b') })
  const a = await nodeProcess(t, { dataDir: join(folder, 'a'), seeds: b.p2p_addrs })
  await register(a, 'one')
  await register(b, 'two')
  await Promise.all([untilAnswered(a, 'use-two'), untilAnswered(b, 'use-one')])

  const well = await cytoplex(['doctor', '--data-dir', a.dataDir])
  assert.deepEqual([well.code, well.stderr], [0, ''], well.stdout)
  assert.match(
    well.stdout,
    new RegExp(`^ok       dial back      peer ${b.provider_id} connected to /ip4/127\\.0\\.0\\.1/tcp/\\d+$`, 'm'),
  )
  assert.match(well.stdout, /^ok {7}fetch .*could fetch a cell of this node, this node could fetch one of peer/m)
  assert.match(well.stdout, /\nEverything works\.\n$/)

  const port = await closedPort()
  const announced = `/ip4/127.0.0.1/tcp/${port}`
  const closed = await nodeProcess(t, {
    dataDir: join(folder, 'closed'),
    seeds: b.p2p_addrs,
    env: { CYTOPLEX_P2P_ANNOUNCE: announced },
  })
  await register(closed, 'three')
  await untilAnswered(b, 'use-three')
  const found = await cytoplex(['doctor', '--data-dir', closed.dataDir])
  assert.equal(found.code, 1)
  assert.equal(found.stderr, 'cytoplex: failed: dial back\n')
  assert.match(
    found.stdout,
    new RegExp(`^failed   dial back      .*could not connect to ${announced}: connect, nothing listens there$`, 'm'),
  )
  assert.match(found.stdout, new RegExp(`^ +to do: Open TCP port ${port} in the firewall`, 'm'))
  assert.match(found.stdout, /^ok {7}resolve /m)

  const elsewhere = await nodeProcess(t, {
    dataDir: join(folder, 'elsewhere'),
    seeds: b.p2p_addrs,
    env: { CYTOPLEX_P2P_ANNOUNCE: `/ip4/203.0.113.7/tcp/${b.p2p_addrs[0]?.split('/')[4]}` },
  })
  const { stages } = await doctor('--data-dir', elsewhere.dataDir)
  assert.equal(stages.dial_back?.status, 'failed')
  assert.match(stages.dial_back?.detail ?? '', /this node announces 203\.0\.113\.7:\d+$/)
})

test('doctor on a node without peers, and with a wrong key', async (t) => {
  const folder = await temporaryFolder(t)
  const node = await nodeProcess(t, { dataDir: join(folder, 'node') })
  const { stages } = await doctor('--data-dir', node.dataDir)
  assert.deepEqual([stages.peers?.status, stages.dial_back?.status], ['failed', 'skipped'])
  const { code, stdout } = await cytoplex(['doctor', '--node', node.http_url, '--api-key', 'wrong-wrong-wrong'])
  assert.deepEqual([code, stdout], [4, ''])
  const remote = await doctor('--node', node.http_url, '--api-key', node.adminKey)
  assert.equal(remote.stages.peers?.status, 'failed')
})

test('doctor on a node that does not run checks what it can', async (t) => {
  const folder = await temporaryFolder(t)
  const dataDir = join(folder, 'node')
  const args = ['--data-dir', dataDir]
  const fresh = await doctor(...args)
  assert.match(fresh.stages.store?.detail ?? '', /does not exist yet: the first start creates it/)

  const node = await nodeProcess(t, { dataDir })
  await node.stop('SIGKILL')
  // It left its node.json behind.
  const stopped = await cytoplex(
    ['doctor', ...args],
    cleanEnvironment({ CYTOPLEX_P2P_PORT: '0', CYTOPLEX_HTTP_PORT: '0' }),
  )
  assert.equal(stopped.code, 1)
  assert.match(stopped.stdout, new RegExp(`^ok       identity       ${node.provider_id}$`, 'm'))
  assert.match(stopped.stdout, new RegExp(`^ok       store          ${dataDir} is written and synced$`, 'm'))
  assert.match(stopped.stdout, /^failed {3}listen {9}the node does not run; its ports are free$/m)
  assert.match(stopped.stdout, new RegExp(`^ +to do: Start it: cytoplex start --data-dir ${dataDir}$`, 'm'))
  assert.match(
    stopped.stdout,
    /^skipped {2}seeds, peers, clock, dial back, announce, resolve, fetch: the node does not run$/m,
  )

  await chmod(`${dataDir}.keys`, 0o755)
  const open = await doctor(...args)
  assert.deepEqual([open.stages.identity?.status, open.stages.identity?.fix], ['failed', `chmod 700 ${dataDir}.keys`])
  await chmod(`${dataDir}.keys`, 0o700)

  const other = createServer().listen(0, '127.0.0.1')
  t.after(() => other.close())
  await new Promise((resolve) => other.once('listening', resolve))
  const { port } = other.address() as { port: number }
  const config = join(folder, 'node.yaml')
  await writeFile(config, `data_dir: ${dataDir}\nhttp:\n  port: 0\np2p:\n  listen: [/ip4/127.0.0.1/tcp/${port}]\n`)
  const taken = await doctor('--config', config)
  assert.match(
    taken.stages.listen?.detail ?? '',
    new RegExp(`could not listen at 127\\.0\\.0\\.1:${port}: another program uses it`),
  )
  await writeFile(config, `data_dir: ${dataDir}\np2p:\n  announce: [/ip4/0.0.0.0/tcp/9000]\n`)
  const wrong = await doctor('--config', config)
  assert.match(wrong.stages.configuration?.detail ?? '', /p2p\.announce: entry 1, .*nobody can connect to 0\.0\.0\.0/)
  assert.equal(wrong.stages.identity?.status, 'skipped')
})
