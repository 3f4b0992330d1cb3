import { strict as assert } from 'node:assert'
import { execFile } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { CYTOPLEX, type NodeProcess } from '../../scripts/nodes.ts'
import { MIDDLE_MODULE, SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, temporaryFolder, upload } from '../support/processes.ts'

const metadata = { cell_type: 'maps', version: '1.0.0', capabilities: [{ name: 'decode', version: '1.0.0' }] }

/** Packages that the node keeps, complete or not. */
async function files(node: NodeProcess): Promise<string[]> {
  const entries = await readdir(join(node.dataDir, 'blobs'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
}

async function refused(response: Response, status: number, code: string, message: RegExp): Promise<void> {
  const text = await response.text()
  assert.equal(response.status, status, text)
  const body = JSON.parse(text) as { error?: { code: string; message: string }; message?: string }
  assert.equal(body.error?.code ?? code, code, text)
  assert.match(text, message)
}

/** A signed description and its package, made by the command line. */
async function signedCell(t: TestContext, package_: string): Promise<{ manifest: object; manifest_signature: string }> {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'cell.json')
  const env = { ...process.env, XDG_CONFIG_HOME: folder }
  const run = promisify(execFile)
  await run(
    CYTOPLEX,
    [
      'cell',
      'pack',
      package_,
      '--type',
      'maps',
      '--version',
      '1.0.0',
      '--capability',
      'decode@1.0.0',
      '--output',
      file,
    ],
    { env },
  )
  await run(CYTOPLEX, ['cell', 'sign', file], { env })
  return JSON.parse(await readFile(file, 'utf8')) as { manifest: object; manifest_signature: string }
}

test('bad uploads get a clear error, and nothing of them is kept', async (t) => {
  const node = await nodeProcess(t, {
    dataDir: join(await temporaryFolder(t), 'node'),
    env: { CYTOPLEX_CELLS_MAX_PACKAGE_BYTES: '500000' },
  })
  const small = await readFile(SMALL_MODULE)
  const url = `${node.http_url}/api/v1/repository/cells`
  const headers = { 'X-API-Key': node.adminKey }
  const send = (parts: Record<string, string | Blob>) => {
    const form = new FormData()
    for (const [name, value] of Object.entries(parts)) form.set(name, value)
    return fetch(url, { method: 'POST', headers, body: form })
  }
  const signed = await signedCell(t, SMALL_MODULE)
  const pack = new Blob([small])
  const meta = JSON.stringify(metadata)

  await refused(await upload(node, metadata, small.subarray(0, 20_000)), 400, 'PROV_005', /WASM_/)
  await refused(
    await upload(node, metadata, Buffer.from('#!/bin/sh\n')),
    400,
    'PROV_005',
    /none of the packaging formats/,
  )
  await refused(await upload(node, metadata, new Uint8Array()), 400, 'PROV_008', /empty/)
  await refused(
    await upload(node, { ...metadata, packaging_format: 'zip' }, small),
    400,
    'PROV_005',
    /zip.*allowed: wasm/,
  )
  await refused(await upload(node, { ...metadata, version: '1.0' }, small), 400, 'PROV_001', /version/)
  await refused(await upload(node, { ...metadata, cell_type: '../up' }, small), 400, 'PROV_001', /cell_type/)
  await refused(
    await upload(node, { ...metadata, dependencies: [{ capability: 'x', version_constraint: 'newest' }] }, small),
    400,
    'PROV_001',
    /semver range.*newest/,
  )
  await refused(await upload(node, metadata, await readFile(MIDDLE_MODULE)), 413, 'PROV_001', /500000/)
  await refused(
    await send({
      metadata: meta,
      manifest: JSON.stringify(signed.manifest),
      manifest_signature: signed.manifest_signature,
      cell_package: new Blob([small, new Uint8Array([0, 1, 0])]),
    }),
    400,
    'PROV_008',
    /the manifest says/,
  )
  await refused(
    await send({
      metadata: meta,
      manifest: JSON.stringify({ ...signed.manifest, version: '1.0.1' }),
      manifest_signature: signed.manifest_signature,
      cell_package: pack,
    }),
    400,
    'PROV_005',
    /signature is wrong/,
  )
  await refused(
    await send({
      metadata: JSON.stringify({ ...metadata, version: '2.0.0' }),
      manifest: JSON.stringify(signed.manifest),
      manifest_signature: signed.manifest_signature,
      cell_package: pack,
    }),
    400,
    'PROV_005',
    /metadata says version/,
  )
  await refused(await send({ metadata: meta }), 400, 'PROV_001', /cell_package/)
  await refused(
    await send({ metadata: '{"cell_type":"a","cell_type":"b"}', cell_package: pack }),
    400,
    'PROV_001',
    /same key twice/,
  )
  await refused(await fetch(url, { method: 'POST', body: 'x' }), 401, 'PROV_016', /key/i)
  await refused(await fetch(`${node.http_url}/api/v1/nothing`), 404, 'PROV_001', /nothing/)

  assert.deepEqual(await files(node), [])
  const list = (await (await fetch(url)).json()) as { total_count: number }
  assert.equal(list.total_count, 0)
  assert.equal(
    (
      await send({
        metadata: meta,
        manifest: JSON.stringify(signed.manifest),
        manifest_signature: signed.manifest_signature,
        cell_package: pack,
      })
    ).status,
    201,
  )
  assert.equal((await files(node)).length, 1)
  await refused(
    await upload(node, { ...metadata, version: '1.1.0' }, small),
    403,
    'PROV_015',
    /belongs to the publisher/,
  )
  await refused(
    await send({
      metadata: meta,
      manifest: JSON.stringify(signed.manifest),
      manifest_signature: signed.manifest_signature,
      cell_package: pack,
    }),
    409,
    'PROV_007',
    /exists already/,
  )
  assert.equal((await files(node)).length, 1)
})

test('an upload that is cut at any byte leaves nothing', async (t) => {
  const node = await nodeProcess(t, { dataDir: join(await temporaryFolder(t), 'node') })
  const small = await readFile(SMALL_MODULE)
  const boundary = 'b0undary'
  const body = Buffer.concat([
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n${JSON.stringify(metadata)}\r\n--${boundary}\r\nContent-Disposition: form-data; name="cell_package"; filename="p"\r\nContent-Type: application/octet-stream\r\n\r\n`,
    ),
    small,
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ])
  const { hostname, port } = new URL(node.http_url)
  const head = `POST /api/v1/repository/cells HTTP/1.1\r\nHost: ${hostname}:${port}\r\nX-API-Key: ${node.adminKey}\r\nContent-Type: multipart/form-data; boundary=${boundary}\r\nContent-Length: ${body.length}\r\n\r\n`
  const cuts = [0, 1, 50, 150, 260, 400, 5_000, small.length, body.length - 30, body.length - 1]
  for (const cut of cuts) {
    const socket = connect(Number(port), hostname)
    await new Promise((resolve) => socket.once('connect', resolve))
    await new Promise((resolve) => socket.write(Buffer.concat([Buffer.from(head), body.subarray(0, cut)]), resolve))
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.resetAndDestroy()
    await closed
  }
  // The node notices each end in its own time; a clean stop comes after all of them.
  assert.equal(await node.stop(), 0)
  assert.deepEqual(await files(node), [])
})

test('what keeps a node from starting is one clear line and a status', async (t) => {
  const folder = await temporaryFolder(t)
  const dataDir = join(folder, 'node')
  const node = await nodeProcess(t, { dataDir })
  const { port } = new URL(node.http_url)
  const start = async (message: RegExp, ...args: string[]): Promise<void> => {
    const failure = await promisify(execFile)(CYTOPLEX, ['start', '--p2p-port', '0', ...args]).then(
      () => assert.fail('it started'),
      (error: { code: number; stderr: string }) => error,
    )
    assert.ok(failure.code === 1 || failure.code === 2, `exit ${failure.code}`)
    assert.match(failure.stderr, message)
    assert.doesNotMatch(failure.stderr, /^\s+at /m, 'no stack')
  }
  await start(/in use by another node/, '--data-dir', dataDir, '--http-port', '0')
  await start(new RegExp(`${port}`), '--data-dir', join(folder, 'other'), '--http-port', port)
  await start(
    /p2p\.prot|unknown/i,
    '--data-dir',
    join(folder, 'x'),
    '--config',
    await file(join(folder, 'bad.yaml'), 'p2p: { prot: 1 }\n'),
  )
  await start(/http.port.*70000/s, '--data-dir', join(folder, 'x'), '--http-port', '70000')
  await start(/nowhere at all/, '--data-dir', join(folder, 'x'), '--http-port', '0', '--seed', 'nowhere at all')
  assert.equal(await node.stop(), 0)

  await start(
    /holds a node's keys, but its data directory/,
    '--data-dir',
    join(folder, 'empty'),
    '--key-dir',
    `${dataDir}.keys`,
    '--http-port',
    '0',
  )
  await start(/its keys are not in/, '--data-dir', dataDir, '--key-dir', join(folder, 'nokeys'), '--http-port', '0')
  await writeFile(join(`${dataDir}.keys`, 'identity.json'), '{"format":1,"seed":')
  await start(/identity\.json/, '--data-dir', dataDir, '--http-port', '0')
})

test('a seed that does not answer does not keep a node from starting; it says so and tries on', async (t) => {
  const folder = await temporaryFolder(t)
  const node = await nodeProcess(t, { dataDir: join(folder, 'node'), seeds: ['127.0.0.1:1'] })
  const ready = await fetch(`${node.http_url}/ready`)
  assert.equal(ready.status, 503)
  assert.match(await ready.text(), /Low peer count: 0/)
  const deadline = performance.now() + 10_000
  while (true) {
    const peers = (await (
      await fetch(`${node.http_url}/api/v1/peers`, { headers: { 'X-API-Key': node.adminKey } })
    ).json()) as { seeds: { attempts: number; last_error: string | null }[] }
    if (peers.seeds[0]!.attempts >= 2) {
      assert.match(peers.seeds[0]!.last_error!, /ECONNREFUSED/)
      break
    }
    assert.ok(performance.now() < deadline, JSON.stringify(peers))
    await new Promise((again) => setTimeout(again, 50))
  }
  assert.match(await readFile(`${node.dataDir}.log`, 'utf8'), /127\.0\.0\.1/)
  assert.equal(await node.stop(), 0)
})

async function file(path: string, content: string): Promise<string> {
  await writeFile(path, content)
  return path
}

test('a node that is stopped during an upload ends in time and leaves nothing of it', async (t) => {
  const node = await nodeProcess(t, { dataDir: join(await temporaryFolder(t), 'node') })
  const { hostname, port } = new URL(node.http_url)
  const boundary = 'b0undary'
  const start = `--${boundary}\r\nContent-Disposition: form-data; name="cell_package"; filename="p"\r\n\r\n`
  const socket = connect(Number(port), hostname)
  t.after(() => socket.destroy())
  socket.on('error', () => undefined)
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.write(
    `POST /api/v1/repository/cells HTTP/1.1\r\nHost: ${hostname}:${port}\r\nX-API-Key: ${node.adminKey}\r\nContent-Type: multipart/form-data; boundary=${boundary}\r\nContent-Length: 50000000\r\n\r\n${start}`,
  )
  await new Promise((resolve) => socket.write(new Uint8Array(2_000_000), resolve))
  const deadline = performance.now() + 10_000
  while ((await files(node)).length === 0) {
    assert.ok(performance.now() < deadline, 'the upload never reached the disk')
    await new Promise((again) => setTimeout(again, 20))
  }
  assert.equal(await node.stop(), 0)
  assert.deepEqual(await files(node), [])
})
