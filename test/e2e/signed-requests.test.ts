import { strict as assert } from 'node:assert'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { newRequestKeys, signRequest } from '../../src/kernel/identity/quantum-signature.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, temporaryFolder, upload } from '../support/processes.ts'

const PATH = '/api/v1/cells/request'

test('a signed request is answered once, by whom it is for, also after a restart', async (t) => {
  const folder = await temporaryFolder(t)
  const dataDir = join(folder, 'node')
  let node = await nodeProcess(t, { dataDir })
  const metadata = { cell_type: 'maps', version: '1.0.0', capabilities: [{ name: 'decode', version: '1.0.0' }] }
  assert.equal((await upload(node, metadata, await readFile(SMALL_MODULE))).status, 201)
  const body = { request_id: 'r', capability: 'decode' }
  const signed = (keys: Parameters<typeof signRequest>[0], audience = node.provider_id, ts = Date.now()) => ({
    ...body,
    quantum_signature: signRequest(keys, 'main', { audience, method: 'POST', path: PATH, body }, ts),
  })
  const send = async (value: object) => {
    const answer = await fetch(node.http_url + PATH, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(value),
    })
    return { status: answer.status, body: (await answer.json()) as { error?: { code: string; message: string } } }
  }

  const first = signed(newRequestKeys())
  assert.equal((await send(first)).status, 200)
  assert.equal((await send(signed(newRequestKeys({ hybrid: true })))).status, 200)
  const refused: [value: object, says: RegExp][] = [
    [first, /nonce was used before/],
    [{ ...signed(newRequestKeys()), capability: 'encode' }, /does not hold/],
    [
      signed(newRequestKeys(), `${node.provider_id.slice(0, -1)}${node.provider_id.endsWith('x') ? 'y' : 'x'}`),
      /is meant for/,
    ],
    [signed(newRequestKeys(), node.provider_id, Date.now() - 400_000), /s old/],
    [{ ...body, quantum_signature: 'qs1.a.b' }, /./],
  ]
  for (const [value, says] of refused) {
    const { status, body } = await send(value)
    assert.equal(status, 401)
    assert.equal(body.error?.code, 'PROV_004')
    assert.match(body.error.message, says)
  }
  await node.stop('SIGKILL')
  node = await nodeProcess(t, { dataDir })
  assert.match((await send(first)).body.error?.message ?? '', /nonce was used before/)
})
