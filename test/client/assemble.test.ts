import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  assemble,
  assembleStream,
  ClientError,
  createClient,
  IntegrityError,
  memoryCache,
  NotFoundError,
  type Progress,
  type SeenCheckpoint,
  UnreachableError,
} from '../../src/client/index.ts'
import { loggingProvider, registered } from '../support/registration-proofs.ts'
import { fakeNode, newPublisher, type SignedCell, sendCell, sendJson, sendPackage, signCell } from './fake-node.ts'
import { honestLock, serveCells } from './serve-cells.ts'

const keys = newPublisher()
const small = readFileSync('node_modules/source-map/lib/mappings.wasm')
const middle = readFileSync('node_modules/sql.js/dist/sql-wasm.wasm')

/** A cell `name` 1.0.0 with the capability `name` 1.0.0, that depends on others. */
function cellOf(name: string, bytes: Uint8Array, needs: readonly string[] = [], range = '^1.0.0'): SignedCell {
  return signCell(bytes, {
    keys,
    manifest: {
      cell_type: name,
      version: '1.0.0',
      capabilities: [{ name, version: '1.0.0' }],
      dependencies: needs.map((capability) => ({ capability, version_constraint: range })),
    },
  })
}

const other = (text: string) => new TextEncoder().encode(text)
// resize needs decode and pixels, decode needs pixels, and pixels needs resize again.
const pixels = cellOf('pixels', other('pixels'), ['resize'])
const decode = cellOf('decode', small, ['pixels'])
const resize = cellOf('resize', middle, ['decode', 'pixels'])
const all = [resize, decode, pixels]

test('one call leads from a capability to verified bytes and the manifest that its publisher signed', async (t) => {
  const node = await fakeNode(t, serveCells(all))
  const steps: Progress[] = []
  const { bytes, manifest, cell, proof, dependencies } = await assemble('resize', {
    version: '^1',
    nodes: node.url,
    onProgress: (step) => steps.push(step),
  })
  assert(Buffer.compare(bytes, middle) === 0)
  assert.deepEqual(manifest, resize.manifest)
  assert.equal(cell.node, node.url)
  assert.deepEqual([proof, dependencies], [undefined, []])
  assert.deepEqual(steps.at(-1), { transferred: middle.length, total: middle.length })
  const [asked] = node.seen
  const { preferences } = JSON.parse(String(asked?.body)) as { preferences: object }
  assert.deepEqual(preferences, { version_constraints: '^1' })
})

test('at security level maximum the proof from the provider’s log comes along', async (t) => {
  const hybrid = signCell(small, { keys: newPublisher(true) })
  const log = loggingProvider('main').prove(registered(hybrid.answer.cell_id))
  const answer = { ...hybrid.answer, log, metadata: { ...hybrid.answer.metadata, provider: log.provider_id } }
  const node = await fakeNode(t, (request, response) =>
    request.method === 'POST' ? sendCell(request, response, answer) : sendPackage(request, response, small),
  )
  const { proof } = await assemble('parse', { nodes: node.url, preferences: { security_level: 'maximum' } })
  assert.deepEqual(proof, log)
})

test('at other levels the node that answered is asked for the proof, and what does not hold is refused', async (t) => {
  const cell = signCell(small, { keys })
  const provider = loggingProvider('main')
  const proof = provider.prove(registered(cell.answer.cell_id))
  const of = (given: typeof proof | undefined, answer: object = cell.answer) =>
    fakeNode(
      t,
      (request, response) =>
        request.method === 'POST'
          ? sendCell(request, response, answer as typeof cell.answer)
          : sendPackage(request, response, small),
      given,
    )
  const good = await of(proof)
  assert.deepEqual((await assemble('parse', { nodes: good.url })).proof, proof)
  const { stream, proof: streamed } = await assembleStream('parse', { nodes: good.url })
  assert.deepEqual(streamed, proof)
  await stream.cancel()
  const another = await of(provider.prove(registered('f'.repeat(64))))
  await assert.rejects(assemble('parse', { nodes: another.url }), {
    code: 'INTEGRITY',
    message: /a proof of registration that does not hold/,
  })
  // What comes unasked is not believed, and not handed on.
  const unasked = await of(undefined, { ...cell.answer, log: provider.prove(registered('f'.repeat(64))) })
  const whole = await assemble('parse', { nodes: unasked.url })
  assert.deepEqual([whole.proof, whole.cell.log], [undefined, undefined])
  // A log that says two things is not believed at any level.
  const seen = new Map<string, SeenCheckpoint>()
  const checkpoints = {
    get: (id: string) => seen.get(id),
    set: (id: string, one: SeenCheckpoint) => void seen.set(id, one),
  }
  await assemble('parse', { nodes: good.url, checkpoints })
  const forked = await of(provider.prove(registered(cell.answer.cell_id), 5, 4))
  await assert.rejects(assemble('parse', { nodes: forked.url, checkpoints }), { code: 'INCONSISTENT_LOG' })
})

test('dependencies come with the cell, each after what it needs itself, whatever circles there are', async (t) => {
  const node = await fakeNode(t, serveCells(all))
  const steps: Progress[] = []
  const whole = await createClient({ nodes: node.url }).assemble('resize', {
    dependencies: true,
    onProgress: (step) => steps.push(step),
  })
  assert.deepEqual(
    whole.dependencies.map(({ manifest }) => manifest.cell_type),
    ['pixels', 'decode'],
  )
  assert(Buffer.compare(whole.dependencies[1]!.bytes, small) === 0)
  const total = all.reduce((sum, { bytes }) => sum + bytes.length, 0)
  assert.deepEqual(steps.at(-1), { transferred: total, total })
  const asked = node.seen.filter(({ path }) => path.endsWith('/specific')).map(({ body }) => JSON.parse(String(body)))
  assert.deepEqual(
    asked.map(({ cell_type, version, preferences }) => ({ cell_type, version, preferences })),
    [decode, pixels].map(({ manifest }) => ({
      cell_type: manifest.cell_type,
      version: '1.0.0',
      preferences: { publishers: [manifest.publisher] },
    })),
  )
})

test('a lock that leaves something out, misnames a cell or fits no constraint is refused', async (t) => {
  const another = cellOf('decode', middle)
  const demanding = cellOf('demanding', middle, ['pixels'], '^2.0.0')
  const ask = { dependencies: true }
  const without = await fakeNode(
    t,
    serveCells(all, (...known) => honestLock(...known).filter((one) => one.capability !== 'pixels')),
  )
  await assert.rejects(createClient({ nodes: without.url }).assemble('resize', ask), {
    code: 'INTEGRITY',
    message: /without pixels \^1\.0\.0, which (resize|decode) 1\.0\.0 depends on/,
  })
  const misnamed = await fakeNode(
    t,
    serveCells(all, (...known) => honestLock(...known).map((one) => ({ ...one, cell_id: another.answer.cell_id }))),
  )
  await assert.rejects(createClient({ nodes: misnamed.url }).assemble('resize', ask), /the lock names/)
  const unfit = await fakeNode(t, serveCells([demanding, ...all]))
  await assert.rejects(createClient({ nodes: unfit.url }).assemble('demanding', ask), /without pixels \^2\.0\.0/)
  const silent = await fakeNode(
    t,
    serveCells(all, () => undefined as never),
  )
  await assert.rejects(
    createClient({ nodes: silent.url }).assemble('resize', ask),
    /was asked for a lock and sent none/,
  )
})

test('dependencies of publishers that are not accepted are refused', async (t) => {
  const strangers = newPublisher()
  const pretender = signCell(small, {
    keys: strangers,
    manifest: { ...decode.manifest, publisher: strangers.publisher },
  })
  const node = await fakeNode(t, serveCells([resize, pretender, pixels]))
  const client = createClient({ nodes: node.url, publishers: [keys.publisher] })
  await assert.rejects(client.assemble('resize', { dependencies: true }), { code: 'UNTRUSTED_PUBLISHER' })
})

test('what would not fit is refused before anything is downloaded', async (t) => {
  const node = await fakeNode(t, serveCells(all))
  const client = createClient({ nodes: node.url })
  await assert.rejects(client.assemble('resize', { maxBytes: 1000 }), {
    code: 'TOO_LARGE',
    message: /allowed are 1000/,
  })
  assert.equal(node.seen.length, 1)
})

test('when one dependency cannot be looked up, the others are given up', async (t) => {
  const serve = serveCells(all)
  const stopped = Promise.withResolvers<void>()
  const node = await fakeNode(t, (request, response) => {
    const { cell_type } = JSON.parse(request.body.toString()) as { cell_type?: string }
    if (cell_type === 'decode') return sendJson(response, 404, { code: 'PROV_003' })
    if (cell_type !== 'pixels') return serve(request, response)
    response.once('close', () => stopped.resolve())
  })
  await assert.rejects(createClient({ nodes: node.url }).assemble('resize', { dependencies: true }), NotFoundError)
  await stopped.promise
})

test('when one package is missing, the others are given up', async (t) => {
  const serve = serveCells(all)
  const stopped = Promise.withResolvers<void>()
  const node = await fakeNode(t, (request, response) => {
    if (!request.path.includes('/packages/')) return serve(request, response)
    if (request.path.includes(decode.answer.digest)) return sendJson(response, 404, { code: 'PROV_003' })
    if (!request.path.includes(resize.answer.digest)) return serve(request, response)
    response.once('close', () => stopped.resolve())
    // Begins, and never ends.
    response.writeHead(200, { 'Content-Length': middle.length })
    response.write('a')
  })
  await assert.rejects(createClient({ nodes: node.url }).assemble('resize', { dependencies: true }), NotFoundError)
  await stopped.promise
})

test('the next node goes on where the first one stopped, and wrong bytes never come through', async (t) => {
  const serve = serveCells(all)
  const breaking = await fakeNode(t, (request, response) => {
    if (!request.path.includes('/packages/')) return serve(request, response)
    sendPackage(request, response, middle, { stopAfter: 200_000 })
  })
  const whole = await fakeNode(t, serve)
  const { bytes } = await assemble('resize', { nodes: [breaking.url, whole.url] })
  assert(Buffer.compare(bytes, middle) === 0)
  assert.match(String(whole.seen[0]?.headers.range), /^bytes=[1-9]/)
  const lying = await fakeNode(t, (request, response) => {
    if (!request.path.includes('/packages/')) return serve(request, response)
    sendPackage(request, response, Buffer.alloc(middle.length))
  })
  await assert.rejects(assemble('resize', { nodes: lying.url }), IntegrityError)
})

test('a signal ends an assembly while it downloads', async (t) => {
  const controller = new AbortController()
  const serve = serveCells(all)
  const node = await fakeNode(t, (request, response) => {
    if (!request.path.includes('/packages/')) return serve(request, response)
    response.writeHead(200, { 'Content-Length': middle.length })
    response.write(middle.subarray(0, 1000))
  })
  const onProgress = () => controller.abort(new Error('enough'))
  const assembling = assemble('resize', { nodes: node.url, signal: controller.signal, onProgress })
  await assert.rejects(assembling, /^Error: enough$/)
})

test('a stream hands on the package as it comes, asks for nothing before it is read, and can be given up', async (t) => {
  const node = await fakeNode(t, serveCells(all))
  const { stream, manifest } = await assembleStream('resize', { nodes: [node.url] })
  assert.equal(manifest.cell_type, 'resize')
  assert.equal(node.seen.length, 1)
  assert(Buffer.compare(Buffer.from(await new Response(stream).arrayBuffer()), middle) === 0)
  const second = await assembleStream('resize', { nodes: [node.url] })
  const reader = second.stream.getReader()
  assert((await reader.read()).value!.length > 0)
  await reader.cancel()
  assert.deepEqual(await reader.read(), { done: true, value: undefined })
})

test('a stream of wrong bytes ends with an error', async (t) => {
  const serve = serveCells(all)
  const node = await fakeNode(t, (request, response) => {
    if (!request.path.includes('/packages/')) return serve(request, response)
    sendPackage(request, response, Buffer.alloc(middle.length))
  })
  const { stream } = await assembleStream('resize', { nodes: node.url })
  await assert.rejects(new Response(stream).arrayBuffer(), IntegrityError)
})

test('a package that was assembled once is taken from the cache, also where it is streamed', async (t) => {
  const node = await fakeNode(t, serveCells(all))
  const client = createClient({ nodes: node.url, cache: memoryCache() })
  await client.assemble('resize')
  const again = await client.assemble('resize')
  const { stream } = await client.assembleStream('resize')
  assert(Buffer.compare(again.bytes, Buffer.from(await new Response(stream).arrayBuffer())) === 0)
  assert.equal(node.seen.filter(({ path }) => path.includes('/packages/')).length, 1)
})

test('what goes wrong rejects, options that cannot work included', async () => {
  await assert.rejects(assemble('resize', { nodes: [] }), { code: 'INVALID_ARGUMENT' })
  await assert.rejects(assemble('resize', { nodes: 'http://127.0.0.1:2', retries: -1 }), { code: 'INVALID_ARGUMENT' })
  await assert.rejects(assembleStream('resize', { nodes: 'nonsense' }), ClientError)
  await assert.rejects(assemble('resize', { nodes: 'http://127.0.0.1:2', retries: 0 }), UnreachableError)
})
