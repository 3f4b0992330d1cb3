import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { MerkleLog } from '../../src/kernel/log/merkle-log.ts'
import { KEYSPACES, textKeyspace } from '../../src/kernel/storage/keyspaces.ts'
import { Store } from '../../src/kernel/storage/store.ts'
import { ComponentHealth, type Machine } from '../../src/node/flows/component-health.ts'
import { DiskProbe, StoreProbe } from '../../src/node/flows/component-probes.ts'
import { NodeReport } from '../../src/node/flows/node-status.ts'
import { SyncState } from '../../src/node/flows/sync-state.ts'
import { Maintenance } from '../../src/node/maintenance.ts'
import { silentLogger } from '../network/nodes.ts'
import { TestClock, temporaryFolder } from '../support/cells.ts'

const GIBIBYTE = 1024 ** 3
/** A terabyte of which so much is free. */
const disk = (free: number, total = 1024 * GIBIBYTE) => ({ bsize: 4096, blocks: total / 4096, bavail: free / 4096 })

async function open(t: TestContext, machine: Machine = {}) {
  const folder = await temporaryFolder(t)
  const clock = new TestClock()
  const store = await Store.open(join(folder, 'store'), { createIfMissing: true })
  t.after(() => store.close())
  const log = new MerkleLog(store, '')
  const world = {
    addresses: ['/ip4/127.0.0.1/tcp/1'],
    seeds: [] as { address: string; connected: boolean; attempts: number; lastError: null }[],
    disk: disk(512 * GIBIBYTE),
    delay: { p99Ms: 3, samples: 15_000 },
    /** Questions to the file system. */
    asked: 0,
  }
  const network = {
    get addresses() {
      return world.addresses
    },
    connectedPeers: () => [],
    seeds: () => world.seeds,
  }
  const maintenance = new Maintenance([
    { start_time: '2026-01-01T01:00:00Z', end_time: '2026-01-01T02:00:00Z', description: 'New disks' },
  ])
  const parts = { clock, logger: silentLogger, store, log, network, config: { data_dir: folder } }
  const health = new ComponentHealth(parts, maintenance, {
    fileSystem: async () => {
      world.asked++
      return world.disk
    },
    delay: { start: () => undefined, stop: () => undefined, read: () => world.delay },
    ...machine,
  })
  await health.start()
  t.after(() => health.stop())
  /** What is found after the last result has become old. */
  const next = async () => {
    clock.advance(10_000)
    return health.report()
  }
  const component = async (name: string) => {
    const { status, components } = await next()
    const found = components.find((one) => one.name === name)
    return { overall: status, status: found?.status, message: found?.message }
  }
  return { clock, store, log, world, health, next, component, network, folder }
}

describe('a node that is well', () => {
  it('says so of each component, from what it found', async (t) => {
    const { health, log, store, next } = await open(t)
    await store.transact((tx) => log.append(tx, new Uint8Array([1])))
    const report = await next()
    assert.deepEqual(report, {
      status: 'healthy',
      message: 'All components are healthy',
      components: [
        { name: 'store', status: 'healthy', message: 'reads and writes' },
        { name: 'disk', status: 'healthy', message: '512.0 GiB (50.0 %) free' },
        { name: 'network', status: 'healthy', message: '0 peers, 0 of 0 seeds connected' },
        { name: 'log', status: 'healthy', message: '1 leaf' },
        { name: 'event_loop', status: 'healthy', message: '99 % of the delays are below 3 ms' },
      ],
      scheduled_maintenance: [
        {
          start_time: '2026-01-01T01:00:00.000Z',
          end_time: '2026-01-01T02:00:00.000Z',
          description: 'New disks',
        },
      ],
      timestamp: '2026-01-01T00:00:10.000Z',
    })
    assert.deepEqual(health.problems(), [])
  })

  it('looks at the file system of its data directory', async (t) => {
    const { statfs } = await import('node:fs/promises')
    const asked: string[] = []
    const { folder } = await open(t, {
      fileSystem: (path) => {
        asked.push(path)
        return statfs(path)
      },
    })
    assert.deepEqual(asked, [folder])
  })

  it('is not asked again for five seconds, however many want to know', async (t) => {
    const { clock, world, health } = await open(t)
    assert.equal(world.asked, 1)
    clock.advance(4999)
    await Promise.all(Array.from({ length: 20 }, () => health.report()))
    assert.equal(world.asked, 1)
    clock.advance(1)
    await Promise.all(Array.from({ length: 20 }, () => health.report()))
    assert.equal(world.asked, 2)
  })

  it('writes to its store every ten seconds at most', async (t) => {
    const { clock, store, health } = await open(t)
    let writes = 0
    const transact = store.transact.bind(store)
    t.mock.method(store, 'transact', (work: Parameters<Store['transact']>[0]) => {
      writes++
      return transact(work)
    })
    for (let second = 0; second < 60; second++) {
      clock.advance(1000)
      await health.report()
    }
    assert.equal(writes, 6)
  })
})

describe('a component that is not well', () => {
  it('a disk with less than 1 GiB or 5 % free', async (t) => {
    const { world, component } = await open(t)
    world.disk = disk(0.5 * GIBIBYTE, 4 * GIBIBYTE)
    const low = { overall: 'degraded', status: 'degraded' }
    assert.deepEqual(await component('disk'), { ...low, message: '0.5 GiB (12.5 %) free' })
    world.disk = disk(4 * GIBIBYTE, 100 * GIBIBYTE)
    assert.deepEqual(await component('disk'), { ...low, message: '4.0 GiB (4.0 %) free' })
    world.disk = disk(5 * GIBIBYTE, 100 * GIBIBYTE)
    assert.equal((await component('disk')).status, 'healthy')
  })

  it('a file system that cannot be asked: the reason stays in the log of the node', async (t) => {
    const { component } = await open(t, {
      fileSystem: () => Promise.reject(new Error('ENOENT: /secret/place')),
    })
    assert.deepEqual(await component('disk'), {
      overall: 'degraded',
      status: 'offline',
      message: 'failed its probe; the log of the node says why',
    })
  })

  it('what hangs is not waited for long, and not started again', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const clock = new TestClock()
    const hanging = Promise.withResolvers<ReturnType<typeof disk>>()
    let asked = 0
    const hang = () => {
      asked++
      return hanging.promise
    }
    const store = { transact: hang, get: () => undefined } as Partial<Store> as Store
    for (const [probe, message] of [
      [new DiskProbe('data', hang), 'the file system has not answered within 2 s'],
      [new StoreProbe({ store, clock }), 'a write has not reached the disk within 2 s'],
    ] as const) {
      asked = 0
      for (let time = 0; time < 3; time++) {
        const verdict = probe.check()
        t.mock.timers.tick(2000)
        assert.deepEqual(await verdict, { status: 'degraded', message })
      }
      assert.equal(asked, 1)
    }
  })

  it('seeds of which none answers, and a network that does not listen', async (t) => {
    const { world, component } = await open(t)
    const seed = (connected: boolean) => ({ address: 'a:1', connected, attempts: 1, lastError: null })
    world.seeds = [seed(false), seed(false)]
    assert.deepEqual(await component('network'), {
      overall: 'degraded',
      status: 'degraded',
      message: '0 peers, 0 of 2 seeds connected',
    })
    world.seeds = [seed(true), seed(false)]
    assert.equal((await component('network')).status, 'healthy')
    world.addresses = []
    assert.deepEqual(await component('network'), {
      overall: 'degraded',
      status: 'offline',
      message: 'does not listen',
    })
  })

  it('a network is not said to be what it was five seconds ago', async (t) => {
    const { world, health } = await open(t)
    const seed = { address: 'a:1', attempts: 1, lastError: null }
    world.seeds = [{ ...seed, connected: false }]
    assert.deepEqual(health.problems(), ['network: 0 peers, 0 of 1 seeds connected'])
    world.seeds = [{ ...seed, connected: true }]
    assert.deepEqual(health.problems(), [])
  })

  it('a log whose last leaf is gone', async (t) => {
    const { store, log, component } = await open(t)
    await store.transact((tx) => {
      log.append(tx, new Uint8Array([1]))
      log.append(tx, new Uint8Array([2]))
    })
    assert.equal((await component('log')).message, '2 leaves')
    const leaves = textKeyspace(KEYSPACES.logLeaves)
    for await (const key of store.keys(leaves)) await store.transact((tx) => tx.delete(leaves, key))
    assert.deepEqual(await component('log'), {
      overall: 'degraded',
      status: 'offline',
      message: 'leaf 1 is missing',
    })
  })

  it('an event loop that lags, once there are samples enough to say so', async (t) => {
    const { world, component } = await open(t)
    world.delay = { p99Ms: 300, samples: 100 }
    assert.equal((await component('event_loop')).status, 'healthy')
    world.delay = { p99Ms: 300, samples: 15_000 }
    assert.deepEqual(await component('event_loop'), {
      overall: 'degraded',
      status: 'degraded',
      message: '99 % of the delays are below 300 ms',
    })
  })

  it('a store that cannot be written takes the whole node with it', async (t) => {
    const { store, component } = await open(t)
    t.mock.method(store, 'transact', () => Promise.reject(new Error('no space left')))
    assert.deepEqual(await component('store'), {
      overall: 'offline',
      status: 'offline',
      message: 'failed its probe; the log of the node says why',
    })
  })
})

it('maintenance that is under way is the status, whatever the components are', async (t) => {
  const { clock, world, next } = await open(t)
  world.disk = disk(0)
  clock.advance(3_600_000 - 10_000)
  const during = await next()
  assert.equal(during.status, 'maintenance')
  assert.equal(during.message, 'New disks. disk: 0.0 GiB (0.0 %) free')
  clock.advance(3_600_000)
  const after = await next()
  assert.deepEqual([after.status, after.scheduled_maintenance], ['degraded', []])
})

it('readiness is degraded while a component is, and does not wait to find out', async (t) => {
  const { world, health, network, clock } = await open(t)
  const config = { p2p: { seeds: [] }, health: { min_peers_for_ready: null, max_sync_lag_for_ready: 10 } }
  const state = new SyncState({ now: () => clock.now(), hasSeeds: false })
  const reconciler = { state, sets: async () => [] }
  const goals = { joinedIds: [], counts: { received: 0, processed: 0 }, logs: () => [] }
  const report = new NodeReport({ network, config, clock } as never, reconciler, health, goals)
  assert.deepEqual(report.health(), { ready: true, degraded: false, reasons: [] })
  world.disk = disk(0)
  clock.advance(10_000)
  assert.equal(report.health().degraded, false)
  await health.report()
  const reasons = ['disk: 0.0 GiB (0.0 %) free']
  assert.deepEqual(report.health(), { ready: true, degraded: true, reasons })
})
