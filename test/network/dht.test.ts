import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { dhtKey } from '../../src/network/dht.ts'
import { askFor, connectedTo, startNode, within } from './nodes.ts'

describe('the DHT', () => {
  it('finds, over a node in the middle, who provides a key, and the finder can ask it', async (t) => {
    const b = await startNode(t)
    const c = await startNode(t, { seeds: b.network.addresses })
    await connectedTo(c, b.providerId)
    await connectedTo(b, c.providerId)
    const { signal } = within(20_000)
    // The routing table takes a moment to learn of a new connection.
    while ((await c.network.provide(['capability/json-parse'], signal)).told === 0) await turn()
    const a = await startNode(t, { seeds: b.network.addresses })
    await connectedTo(a, b.providerId)
    const found: string[] = []
    while (found.length === 0) {
      signal.throwIfAborted()
      await turn()
      for await (const { providerId, addresses } of a.network.findProviders('capability/json-parse', {
        signal,
        limit: 5,
      })) {
        found.push(providerId)
        assert.ok(addresses.every((address) => address.startsWith('/ip4/127.0.0.1/')))
      }
    }
    assert.deepEqual(found, [c.providerId])
    await a.network.request(c.providerId, 'cell_request', askFor('json-parse'), { signal })
    await connectedTo(a, c.providerId)
    for await (const other of a.network.findProviders('capability/other', { signal, limit: 5 }))
      assert.fail(other.providerId)
    for await (const none of a.network.findProviders('capability/json-parse', { signal, limit: 0 }))
      assert.fail(none.providerId)
    c.network.unprovide('capability/json-parse')
  })

  it('works for a node that is alone, and never names the asker', async (t) => {
    const a = await startNode(t)
    const { signal } = within(20_000)
    await a.network.provide(['capability/mine'], signal)
    for await (const found of a.network.findProviders('capability/mine', { signal, limit: 5 }))
      assert.fail(found.providerId)
  })

  it('has other keys in every network', () => {
    assert.notEqual(dhtKey('a', 'capability/x').toString(), dhtKey('b', 'capability/x').toString())
  })
})
