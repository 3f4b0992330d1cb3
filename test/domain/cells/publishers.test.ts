import { strict as assert } from 'node:assert'
import { join } from 'node:path'
import { test } from 'node:test'
import { sampleManifest, successor } from '../../../scripts/vectors/publishers.ts'
import { NETWORK } from '../../../scripts/vectors/seeds.ts'
import { Publishers } from '../../../src/domain/cells/publishers.ts'
import {
  createPublisherKeys,
  type PublisherKeyFile,
  publisherKeys,
} from '../../../src/kernel/identity/manifest-signer.ts'
import { Store } from '../../../src/kernel/storage/store.ts'
import { temporaryFolder } from '../../support/cells.ts'

const signed = (file: PublisherKeyFile): string => publisherKeys(file).signManifest(NETWORK, sampleManifest(file))

test('the newest keys win, revoked ones do not count, and who contradicts himself is frozen, also after a restart', async (t) => {
  const path = join(await temporaryFolder(t), 'store')
  let store = await Store.open(path, { createIfMissing: true })
  t.after(() => store.close())
  let publishers = new Publishers(store)

  const first = createPublisherKeys({ kind: 'publisher' })
  const second = successor(first, 'second')
  const third = successor(second, 'third', { revoked_from: 0 })
  const { publisher } = publisherKeys(first)

  assert.equal(await publishers.admit(publisher, signed(first)), false, 'a first record needs no entry')
  assert.equal(await publishers.admit(publisher, signed(second)), true)
  assert.equal(await publishers.admit(publisher, signed(second)), false)
  assert.equal(await publishers.admit(publisher, signed(first)), false, 'older keys count until they are revoked')
  assert.equal(await publishers.admit(publisher, signed(third)), true)

  await store.close()
  store = await Store.open(path, { createIfMissing: false })
  publishers = new Publishers(store)
  await assert.rejects(publishers.admit(publisher, signed(first)), /has revoked the keys/)
  await assert.rejects(publishers.admit(publisher, signed(second)), { code: 'PROV_005' })
  assert.equal(await publishers.admit(publisher, signed(third)), false)

  const contradiction = successor(second, 'another third')
  await assert.rejects(
    publishers.admit(publisher, signed(contradiction)),
    /is frozen: it signed two key records with the number 2/,
  )
  await store.close()
  store = await Store.open(path, { createIfMissing: false })
  publishers = new Publishers(store)
  await assert.rejects(publishers.admit(publisher, signed(third)), /is frozen/)
})

test('two contradicting chains that arrive at once freeze the publisher, whichever is first on disk', async (t) => {
  const store = await Store.open(join(await temporaryFolder(t), 'store'), { createIfMissing: true })
  t.after(() => store.close())
  const publishers = new Publishers(store)
  const first = createPublisherKeys({ kind: 'publisher' })
  const { publisher } = publisherKeys(first)
  const chains = [successor(first, 'left'), successor(first, 'right')]
  const results = await Promise.allSettled(chains.map((file) => publishers.admit(publisher, signed(file))))
  assert.equal(results.filter(({ status }) => status === 'rejected').length >= 1, true)
  for (const file of [first, ...chains]) await assert.rejects(publishers.admit(publisher, signed(file)), /is frozen/)
})

test('what strangers sign is judged in memory, within a budget, and stored once a cell of theirs is', async (t) => {
  const path = join(await temporaryFolder(t), 'store')
  const store = await Store.open(path, { createIfMissing: true })
  t.after(() => store.close())
  const first = createPublisherKeys({ kind: 'publisher' })
  const second = successor(first, 'second', { revoked_from: 0 })
  const { publisher } = publisherKeys(first)

  const publishers = new Publishers(store)
  assert.equal(await publishers.admit(publisher, signed(second), 'known'), true)
  assert.equal(await publishers.admit(publisher, signed(second), 'known'), false)
  await assert.rejects(publishers.admit(publisher, signed(first), 'known'), /has revoked the keys/)
  const afterRestart = new Publishers(store)
  assert.equal(await afterRestart.admit(publisher, signed(first), 'known'), false, 'nothing was stored')

  const [small, strangers] = [new Publishers(store, 3000), Array.from({ length: 20 }, () => rotated())]
  for (const { id, token } of strangers) assert.equal(await small.admit(id, token, 'known'), true)
  assert.equal(await small.admit(strangers[0]!.id, strangers[0]!.token, 'known'), true, 'it was forgotten')

  await publishers.admit(publisher, signed(second), 'always')
  await assert.rejects(new Publishers(store).admit(publisher, signed(first), 'known'), /has revoked the keys/)
})

test('a stored publisher that replaces its keys later is followed, whoever brings the news', async (t) => {
  const store = await Store.open(join(await temporaryFolder(t), 'store'), { createIfMissing: true })
  t.after(() => store.close())
  const first = createPublisherKeys({ kind: 'publisher' })
  const { publisher } = publisherKeys(first)
  await new Publishers(store).admit(publisher, signed(first))
  await new Publishers(store).admit(publisher, signed(successor(first, 'second', { revoked_from: 0 })), 'known')
  await assert.rejects(new Publishers(store).admit(publisher, signed(first), 'known'), /has revoked the keys/)
})

test('what could not be stored is not known either', async (t) => {
  const store = await Store.open(join(await temporaryFolder(t), 'store'), { createIfMissing: true })
  t.after(() => store.close())
  const publishers = new Publishers(store)
  const first = createPublisherKeys({ kind: 'publisher' })
  const second = successor(first, 'second', { revoked_from: 0 })
  const { publisher } = publisherKeys(first)
  const transact = store.transact.bind(store)
  store.transact = () => Promise.reject(new Error('the disk is full'))
  await assert.rejects(publishers.admit(publisher, signed(second)), /the disk is full/)
  store.transact = transact
  assert.equal(await publishers.admit(publisher, signed(first), 'known'), false)
  assert.equal(await publishers.admit(publisher, signed(second)), true)
})

function rotated(): { id: string; token: string } {
  const first = createPublisherKeys({ kind: 'publisher' })
  return { id: publisherKeys(first).publisher, token: signed(successor(first, 'second')) }
}
