import assert from 'node:assert/strict'
import { it } from 'node:test'
import { BoundedDatastore } from '../../src/network/bounded-datastore.ts'

it('what is remembered of peers stays within a budget, and those that are kept stay', async () => {
  const store = new BoundedDatastore(() => new Set(['/peers/kept']))
  const datastore = store.asDatastore()
  const key = (name: string) => `/peers/${name}` as never
  datastore.put(key('kept'), new Uint8Array(1000))
  datastore.put(key('first'), new Uint8Array(1000))
  for (let i = 0; i < 100_000; i++) datastore.put(key(`${i}`), new Uint8Array(1000))
  assert.ok(store.size > 10_000 && store.size < 17_000, `${store.size}`)
  assert.equal(datastore.has(key('kept')), true)
  assert.equal(datastore.has(key('99999')), true)
  assert.equal(datastore.has(key('first')), false)
  assert.throws(() => datastore.get(key('first')), { name: 'NotFoundError' })
  assert.throws(() => datastore.put(key('large'), new Uint8Array(40_000)), RangeError)
  const found = []
  for await (const pair of datastore.query({ prefix: '/peers/9999', limit: 3 })) found.push(pair)
  assert.equal(found.length, 3)
})
