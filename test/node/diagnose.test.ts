import assert from 'node:assert/strict'
import { chmod, readFile } from 'node:fs/promises'
import { describe, it, type TestContext } from 'node:test'
import { Check } from 'typebox/value'
import { type DoctorCheck, DoctorReport } from '../../protocol/doctor.ts'
import type { RunningNode } from '../../src/node/node.ts'
import { startNode as startNetwork, type TestHandlers } from '../network/nodes.ts'
import { manifestOf, NETWORK, newPublisher, signedCell, summaryOf } from '../support/cells.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { hasPeers, knowsProviders, nodeInProcess, registerBytes, scriptedPeer } from '../support/node-pairs.ts'

const small = await readFile(SMALL_MODULE)
const register = (node: RunningNode, name: string) =>
  registerBytes(node, small, {
    metadata: { cell_type: name, version: '1.0.0', capabilities: [{ name: `use-${name}`, version: '1.0.0' }] },
  })

/** What a diagnosis found, by stage. */
async function diagnosed(node: RunningNode): Promise<Record<string, DoctorCheck>> {
  const report = await node.doctor()
  assert.ok(Check(DoctorReport, report))
  assert.equal(report.ok, !report.checks.some(({ status }) => status === 'failed'))
  for (const { status, fix } of report.checks) assert.ok(status !== 'failed' || fix, 'what failed has a fix')
  return Object.fromEntries(report.checks.map((check) => [check.stage, check]))
}

const statuses = (checks: Record<string, DoctorCheck>) =>
  Object.fromEntries(Object.values(checks).map(({ stage, status }) => [stage, status]))

/** A node whose only peer is as the test says. */
async function withPeer(t: TestContext, answers: TestHandlers['answers'] = {}) {
  const peer = await startNetwork(t, { networkName: NETWORK, handlers: { answers } })
  const { node, config } = await nodeInProcess(t, { seeds: peer.network.addresses })
  await hasPeers(node, 1)
  return { node, peer, config }
}

describe('doctor', () => {
  it('finds nothing wrong with two nodes that know each other', async (t) => {
    const { node: b } = await nodeInProcess(t)
    const { node: a } = await nodeInProcess(t, { seeds: b.addresses })
    await Promise.all([hasPeers(a, 1), hasPeers(b, 1)])
    await register(a, 'one')
    await register(b, 'two')
    await Promise.all([knowsProviders(a, 1), knowsProviders(b, 1)])
    const checks = await diagnosed(a)
    assert.deepEqual(
      Object.values(checks).filter(({ status }) => status !== 'ok'),
      [],
    )
    assert.deepEqual(Object.keys(checks), [
      'runtime',
      'configuration',
      'identity',
      'store',
      'listen',
      'seeds',
      'peers',
      'clock',
      'dial_back',
      'announce',
      'resolve',
      'fetch',
    ])
    assert.match(checks.resolve?.detail ?? '', /could find a cell of this node, this node could find one of peer/)
    // A peer looks once a minute.
    const again = await diagnosed(a)
    assert.deepEqual([again.announce?.status, again.announce?.detail], ['skipped', 'no peer had time to look'])
    assert.equal(again.dial_back?.status, 'ok')
    // Nothing that was fetched was kept.
    assert.equal((await a.info()).cell_count, 1)
  })

  it('asks those who ask meanwhile to wait for the same answer', async (t) => {
    const { node } = await nodeInProcess(t)
    const [first, second] = await Promise.all([node.doctor(), node.doctor()])
    assert.equal(first, second)
  })

  it('names what a lonely node lacks, and skips what needs peers', async (t) => {
    const { node } = await nodeInProcess(t)
    const checks = await diagnosed(node)
    assert.deepEqual(statuses(checks), {
      runtime: 'ok',
      configuration: 'ok',
      identity: 'ok',
      store: 'ok',
      listen: 'ok',
      seeds: 'skipped',
      peers: 'failed',
      clock: 'skipped',
      dial_back: 'skipped',
      announce: 'skipped',
      resolve: 'skipped',
      fetch: 'skipped',
    })
    assert.match(checks.peers?.fix ?? '', /--seed HOST:PORT/)
  })

  it('names seeds that do not answer, with the reason', async (t) => {
    const { node } = await nodeInProcess(t, { seeds: ['/ip4/127.0.0.1/tcp/9'] })
    while (node.peers().seeds[0]?.last_error == null) await new Promise(setImmediate)
    const { seeds } = await diagnosed(node)
    assert.equal(seeds?.status, 'failed')
    assert.match(seeds?.detail ?? '', /^0 of 1 connected; \/ip4\/127\.0\.0\.1\/tcp\/9: .*ECONNREFUSED/)
  })

  it('notices keys that others may read', async (t) => {
    const { node, config } = await nodeInProcess(t)
    await chmod(config.key_dir, 0o755)
    const { identity } = await diagnosed(node)
    assert.deepEqual(
      [identity?.status, identity?.fix],
      ['failed', `Close ${config.key_dir} to others: chmod 700 ${config.key_dir}`],
    )
  })

  it('notices names where addresses are needed', async (t) => {
    const { node } = await nodeInProcess(t, { settings: { 'p2p.announce': '/dns4/node.example/tcp/9000' } })
    const { configuration } = await diagnosed(node)
    assert.equal(configuration?.status, 'failed')
    assert.match(configuration?.detail ?? '', /node\.example: peers connect to no names/)
  })

  it('says how far a peer got, and what to do about each stage', async (t) => {
    const stages = [
      ['connect', 'nothing listens there', /^Open TCP port \d+ in the firewall/],
      ['encrypt', 'another node answers there', /^Port \d+ leads to something else/],
      ['protocol', 'what answers there does not speak the protocol', /^Port \d+ leads to a node of another network/],
      ['handshake', "the peer's clock differs by 1 ms", /^Set the clock/],
    ] as const
    for (const [stage, reason, fix] of stages) {
      const { node, peer } = await withPeer(t, {
        dial_back_request: ({ port }) => {
          return { ok: false, address: `/ip4/127.0.0.1/tcp/${port}`, stage, reason, time: Date.now() }
        },
      })
      const { dial_back } = await diagnosed(node)
      assert.equal(dial_back?.status, 'failed')
      assert.match(
        dial_back?.detail ?? '',
        new RegExp(`^peer ${peer.providerId} could not connect to .*: ${stage}, ${reason}`),
      )
      assert.match(dial_back?.fix ?? '', fix)
    }
  })

  it('tells an address that is announced from the one where peers see the node', async (t) => {
    const { node } = await withPeer(t, {
      dial_back_request: ({ port }) => ({ ok: true, address: `/ip4/198.51.100.7/tcp/${port}`, time: Date.now() }),
    })
    const { dial_back } = await diagnosed(node)
    assert.equal(dial_back?.status, 'failed')
    assert.match(
      dial_back?.detail ?? '',
      /connected to \/ip4\/198\.51\.100\.7\/tcp\/\d+, but this node announces 127\.0\.0\.1:\d+$/,
    )
    assert.match(dial_back?.fix ?? '', /^Add \/ip4\/198\.51\.100\.7\/tcp\/\d+ to p2p\.announce$/)
  })

  it('does not blame the node for a peer that refuses or does not know the question', async (t) => {
    const refusing = await withPeer(t, {
      dial_back_request: () => ({ ok: false, stage: 'refused', reason: 'too often', time: Date.now() }),
    })
    const { dial_back } = await diagnosed(refusing.node)
    assert.deepEqual([dial_back?.status, dial_back?.detail], ['skipped', 'no peer dialled back: too often'])
    const older = await withPeer(t, {
      dial_back_request: () => Promise.reject(new Error('unknown')),
      probe_request: () => Promise.reject(new Error('unknown')),
    })
    await register(older.node, 'one')
    const checks = await diagnosed(older.node)
    assert.deepEqual(
      [checks.dial_back?.status, checks.announce?.status, checks.clock?.status],
      ['skipped', 'skipped', 'skipped'],
    )
  })

  it('compares the clock with the peer whose clock is nearest', async (t) => {
    const { node, peer } = await withPeer(t, {
      dial_back_request: () => ({ ok: true, address: '/ip4/127.0.0.1/tcp/1', time: Date.now() + 120_000 }),
    })
    const { clock } = await diagnosed(node)
    assert.equal(clock?.status, 'failed')
    assert.match(clock?.detail ?? '', new RegExp(`^this clock is 120 s behind that of ${peer.providerId};`))
  })

  it('reports what a peer could not find, resolve or fetch', async (t) => {
    const cases = [
      [{ announced: false, resolved: true, fetched: true }, 'announce'],
      [{ announced: true, resolved: false, fetched: false, reason: 'nobody home' }, 'resolve'],
      [{ announced: true, resolved: true, fetched: false, reason: 'broken off' }, 'fetch'],
    ] as const
    for (const [result, stage] of cases) {
      const asked: string[] = []
      const { node } = await withPeer(t, {
        probe_request: ({ capability, version }) => {
          asked.push(`${capability}@${version}`)
          return { tried: true, ...result }
        },
      })
      await register(node, 'one')
      const checks = await diagnosed(node)
      assert.equal(checks[stage]?.status, 'failed', stage)
      assert.deepEqual(asked, ['use-one@1.0.0'])
    }
  })

  it('reports a peer that does not serve what it announces', async (t) => {
    const bytes = new Uint8Array(small)
    const publisher = newPublisher()
    const cell = signedCell(publisher, manifestOf(publisher.publisher, summaryOf(bytes)))
    const none = await scriptedPeer(t, cell, bytes, { onCellRequest: () => [] })
    const first = await nodeInProcess(t, { seeds: [none.address] })
    await knowsProviders(first.node, 1)
    const { resolve } = await diagnosed(first.node)
    assert.deepEqual(
      [resolve?.status, resolve?.detail],
      [
        'failed',
        `this node could not find a cell of peer ${none.providerId}: it did not offer the cell that it announces`,
      ],
    )

    const wrong = await scriptedPeer(t, cell, bytes, {
      openPackage: async () => ({
        size: bytes.length,
        chunkSize: 1024 * 1024,
        async *read() {
          yield new Uint8Array(bytes.length)
        },
        close: async () => undefined,
      }),
    })
    const second = await nodeInProcess(t, { seeds: [wrong.address] })
    await knowsProviders(second.node, 1)
    const { fetch } = await diagnosed(second.node)
    assert.deepEqual(
      [fetch?.status, fetch?.detail],
      [
        'failed',
        `this node could not fetch a cell of peer ${wrong.providerId}: the last chunk is not the one that the publisher signed`,
      ],
    )
  })
})
