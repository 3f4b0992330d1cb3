import assert from 'node:assert/strict'
import { describe, it, mock, type TestContext } from 'node:test'
import type { Manifest } from '../../protocol/manifest.ts'
import { Events } from '../../src/kernel/telemetry/events.ts'
import { PROVIDER_VALIDITY_MS } from '../../src/network/network.ts'
import { DhtProvider } from '../../src/node/flows/provide.ts'
import { silentLogger } from '../network/nodes.ts'

const cell = (name: string) => ({ cell_type: name, capabilities: [{ name, version: '1.0.0' }] }) as unknown as Manifest

/** A provider of the names `held` with a DHT that confirms what `confirms` says. */
async function providerOf(t: TestContext, held: readonly string[], confirms: () => boolean = () => true) {
  const events = new Events(silentLogger)
  const told: (readonly string[])[] = []
  const withdrawn: string[] = []
  let heard = Promise.withResolvers<void>()
  const network = {
    connectedPeers: () => [{}],
    async provide(names: readonly string[]) {
      told.push(names)
      heard.resolve()
      heard = Promise.withResolvers()
      return { told: confirms() ? names.length : 0, regions: 1, lookups: 1, streams: 1 }
    },
    unprovide: (name: string) => void withdrawn.push(name),
  }
  const index = {
    async *names() {
      yield* held
    },
    candidates: (_by: string, name: string) => (name === 'kept' ? [{}] : []),
  }
  const provider = new DhtProvider({ events, network, index, logger: silentLogger } as never)
  provider.start()
  t.after(() => provider.stop())
  const next = () => heard.promise
  const meetPeer = () => events.emit('peer_connected', { providerId: 'p', address: '/a', direction: 'inbound' })
  return { provider, told, withdrawn, next, meetPeer }
}

describe('telling the DHT', () => {
  it('tells the new names of one turn together', async (t) => {
    const { provider, told, next } = await providerOf(t, [])
    provider.add(cell('a'))
    provider.add(cell('b'))
    await next()
    assert.deepEqual(told, [['cell_type/a', 'capability/a', 'cell_type/b', 'capability/b']])
  })

  it('tells all names when peers are met, and again before they expire', async (t) => {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
    t.after(() => mock.timers.reset())
    const { told, next, meetPeer } = await providerOf(t, ['capability/a', 'capability/b'])
    meetPeer()
    meetPeer()
    mock.timers.tick(500)
    await next()
    assert.deepEqual(told, [['capability/a', 'capability/b']])
    await new Promise((resolve) => setImmediate(resolve))
    mock.timers.tick(PROVIDER_VALIDITY_MS / 3)
    mock.timers.tick(1)
    await next()
    assert.equal(told.length, 2)
  })

  it('tries again, ever later, while nobody confirms', async (t) => {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
    t.after(() => mock.timers.reset())
    const { told, next, meetPeer } = await providerOf(t, ['capability/a'], () => told.length === 3)
    meetPeer()
    for (const wait of [500, 1000, 2000]) {
      mock.timers.tick(wait - 1)
      const before = told.length
      const heard = next()
      await new Promise((resolve) => setImmediate(resolve))
      assert.equal(told.length, before)
      mock.timers.tick(1)
      await heard
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(told.length, 3)
    mock.timers.tick(60_000)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(told.length, 3)
  })

  it('withdraws the names under which nothing is left', async (t) => {
    const { provider, withdrawn } = await providerOf(t, [])
    provider.remove(cell('kept'))
    provider.remove(cell('gone'))
    assert.deepEqual(withdrawn, ['cell_type/gone', 'capability/gone'])
  })
})
