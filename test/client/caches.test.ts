import assert from 'node:assert/strict'
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileCache } from '../../src/client/file-cache.ts'
import { createClient, memoryCache, type PackageCache, type Progress, webCache } from '../../src/client/index.ts'
import { temporaryFolder } from '../support/folders.ts'
import { digestOf, fakeNode, sendPackage } from './fake-node.ts'

const bytes = new Uint8Array(await readFile('node_modules/source-map/lib/mappings.wasm'))
const digest = digestOf(bytes)
const package_ = { digest, size_bytes: bytes.length }
const filled = (length: number, value: number) => new Uint8Array(length).fill(value)

/** The Cache API, as far as packages need it: Node.js has none. */
function fakeCaches(): Pick<CacheStorage, 'open'> {
  const kept = new Map<string, Response>()
  const cache = {
    match: async (url: string) => kept.get(url)?.clone(),
    put: async (url: string, response: Response) => void kept.set(url, response),
    keys: async () => [...kept.keys()].map((url) => new Request(url)),
    delete: async (request: Request) => kept.delete(request.url),
  }
  return { open: async () => cache as unknown as Cache }
}

test('every cache gives back what it was given, and the client then asks no node', async (t) => {
  const caches: PackageCache[] = [
    memoryCache(),
    webCache({ caches: fakeCaches() }),
    fileCache({ directory: join(await temporaryFolder(t), 'made', 'when needed') }),
  ]
  for (const cache of caches) {
    const node = await fakeNode(t, (request, response) => sendPackage(request, response, bytes))
    const client = createClient({ nodes: node.url, cache })
    assert.deepEqual(await client.download(package_), bytes)
    const steps: Progress[] = []
    assert.deepEqual(await client.download(package_, { onProgress: (step) => steps.push(step) }), bytes)
    assert.deepEqual(steps, [{ transferred: bytes.length, total: bytes.length }])
    const streamed: Uint8Array[] = []
    for await (const part of client.downloadStream(package_)) streamed.push(part)
    assert.deepEqual(new Uint8Array(Buffer.concat(streamed)), bytes)
    assert.equal(node.seen.length, 1)
    assert.equal(await cache.get(digestOf(filled(1, 1))), undefined)
  }
})

test('what a cache gives is verified, and replaced where it is wrong', async (t) => {
  const directory = await temporaryFolder(t)
  const file = join(directory, digest.slice('sha256:'.length))
  const node = await fakeNode(t, (request, response) => sendPackage(request, response, bytes))
  const client = createClient({ nodes: node.url, cache: fileCache({ directory }) })
  for (const wrong of [filled(bytes.length, 7), filled(3, 7), new Uint8Array()]) {
    await writeFile(file, wrong)
    assert.deepEqual(await client.download(package_), bytes)
    assert.deepEqual(new Uint8Array(await readFile(file)), bytes)
  }
  assert.equal(node.seen.length, 3)
})

test('a cache that fails costs time and nothing else', async (t) => {
  const node = await fakeNode(t, (request, response) => sendPackage(request, response, bytes))
  const fail = () => {
    throw new Error('no space left on device')
  }
  const broken: PackageCache[] = [
    { get: fail, set: fail },
    { get: async () => fail(), set: async () => fail() },
  ]
  for (const cache of broken) {
    assert.deepEqual(await createClient({ nodes: node.url, cache }).download(package_), bytes)
  }
})

test('a cache in memory keeps what was used last, and changes to what it gave do not reach it', async () => {
  const cache = memoryCache({ maxBytes: 300 })
  const [one, two, three, large] = [filled(100, 1), filled(100, 2), filled(150, 3), filled(301, 4)]
  await cache.set('one', one)
  await cache.set('two', two)
  assert.equal((await cache.get('one'))?.length, 100)
  await cache.set('three', three)
  assert.equal(await cache.get('two'), undefined)
  const given = await cache.get('one')
  given?.fill(0)
  assert.deepEqual(await cache.get('one'), filled(100, 1))
  await cache.set('large', large)
  assert.deepEqual([await cache.get('large'), (await cache.get('three'))?.length], [undefined, 150])
})

test('a cache in a folder keeps what was used last, takes no other name, and leaves other files alone', async (t) => {
  const directory = await temporaryFolder(t)
  const cache = fileCache({ directory, maxBytes: 250 })
  const packages = [1, 2, 3].map((value) => filled(100, value))
  const names = packages.map((one) => digestOf(one).slice('sha256:'.length))
  await writeFile(join(directory, 'notes.txt'), 'mine')
  const abandoned = join(directory, `${names[0]}.0123456789abcdef.part`)
  await writeFile(abandoned, 'half')
  await utimes(abandoned, new Date(0), new Date(0))
  await cache.set(digestOf(packages[0]!), packages[0]!)
  await cache.set(digestOf(packages[1]!), packages[1]!)
  // Reading makes the older one the newer one.
  for (const name of names.slice(0, 2)) await utimes(join(directory, name), new Date(1000), new Date(1000))
  assert.deepEqual(await cache.get(digestOf(packages[0]!)), packages[0])
  await cache.set(digestOf(packages[2]!), packages[2]!)
  assert.deepEqual((await readdir(directory)).sort(), [names[0], names[2], 'notes.txt'].sort())
  await cache.set(digestOf(filled(251, 4)), filled(251, 4))
  assert.equal((await readdir(directory)).length, 3)
  await assert.rejects(async () => cache.get('sha256:../../etc/passwd'), /64 hex digits/)
})

test('a cache of the browser keeps so many packages, and says where there is no Cache API', async () => {
  const cache = webCache({ caches: fakeCaches(), maxPackages: 2 })
  for (const value of [1, 2, 3]) await cache.set(`sha256:${value}`, filled(10, value))
  assert.equal(await cache.get('sha256:1'), undefined)
  assert.deepEqual(await cache.get('sha256:3'), filled(10, 3))
  assert.throws(() => webCache(), { code: 'INVALID_ARGUMENT', message: /no Cache API/ })
})
