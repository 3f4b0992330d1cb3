import { strict as assert } from 'node:assert'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { newRequestKeys, type RequestKeys, signRequest } from '../../src/kernel/identity/quantum-signature.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, temporaryFolder, upload } from '../support/processes.ts'

test('reports are counted once, survive a kill, and become an overview and issues', async (t) => {
  const folder = await temporaryFolder(t)
  const dataDir = join(folder, 'node')
  let node = await nodeProcess(t, { dataDir })
  const metadata = { cell_type: 'maps', version: '1.0.0', capabilities: [{ name: 'decode', version: '1.0.0' }] }
  assert.equal((await upload(node, metadata, await readFile(SMALL_MODULE))).status, 201)
  const call = async (method: string, path: string, body?: object) => {
    const answer = await fetch(`${node.http_url}/api/v1/analytics${path}`, {
      method,
      headers: { 'X-API-Key': node.adminKey, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }
  const usage = {
    report_id: 'u1',
    cell_type: 'maps',
    version: '1.0.0',
    usage_metrics: { activation_count: 10, total_active_time_ms: 1000, error_count: 1 },
    environment_summary: { platform: 'linux' },
    timestamp: new Date().toISOString(),
  }
  assert.equal((await call('POST', '/usage', usage)).status, 202)
  assert.equal((await call('POST', '/usage', usage)).status, 202, 'the same report again is accepted, and not counted')
  const unknown = await call('POST', '/usage', { ...usage, report_id: 'u2', cell_type: 'nobody' })
  assert.equal(unknown.status, 400)
  assert.equal((unknown.body.error as { code: string }).code, 'PROV_012')
  assert.equal((await call('POST', '/usage', { report_id: 'u3' })).status, 400)

  const path = '/api/v1/analytics/usage'
  const keys = [newRequestKeys(), newRequestKeys()]
  const signed = (report_id: string, by: RequestKeys, target = path) => {
    const body = { ...usage, report_id }
    const { provider_id: audience } = node
    return {
      ...body,
      quantum_signature: signRequest(by, 'main', { audience, method: 'POST', path: target, body }, Date.now()),
    }
  }
  for (const [n, pair] of [...keys, keys[0]!].entries()) {
    const counted = await call('POST', '/usage', signed(`s${n}`, pair))
    assert.equal(counted.status, 202, JSON.stringify(counted.body))
  }
  const foreign = await call('POST', '/usage', signed('s4', keys[0]!, '/api/v1/analytics/errors'))
  assert.equal(foreign.status, 401)
  assert.equal((foreign.body.error as { code: string }).code, 'PROV_004')

  const error = {
    report_id: 'e1',
    cell_type: 'maps',
    version: '1.0.0',
    error_type: 'execution',
    error_code: 'E42',
    error_message: 'cannot open /home/alice/secret.txt',
    stack_trace: 'Error\n  at decode (/home/alice/app/main.js:1:2)',
    timestamp: new Date().toISOString(),
  }
  const first = await call('POST', '/errors', error)
  assert.equal(first.status, 202)
  const again = await call('POST', '/errors', { ...error, report_id: 'e2' })
  assert.equal(again.body.known_issue, true)
  const issueId = String(again.body.issue_id)
  const resolution = { resolution_url: 'https://example.org/fix' }
  assert.equal((await call('PUT', `/issues/${issueId}`, resolution)).status, 200)
  assert.equal(
    (await call('POST', '/errors', { ...error, report_id: 'e3' })).body.resolution_url,
    resolution.resolution_url,
  )

  await node.stop('SIGKILL')
  node = await nodeProcess(t, { dataDir })
  const { status, body } = await call('GET', '/overview?cell_type=maps&time_range=24h')
  assert.equal(status, 200)
  const [row] = body.cell_usage as Record<string, unknown>[]
  assert.equal(row?.version, '1.0.0')
  assert.equal(row?.total_requests, 40)
  assert.equal(row?.unique_quantum_signatures, keys.length)
  assert.deepEqual(row?.platform_distribution, { linux: 100 })
  assert.doesNotMatch(JSON.stringify((await call('GET', '/issues')).body), /alice/)
  assert.equal((await fetch(`${node.http_url}/api/v1/analytics/overview`)).status, 401)
})
