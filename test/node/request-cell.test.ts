import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import { Publishers } from '../../src/domain/cells/publishers.ts'
import type { CellQuery } from '../../src/domain/cells/query.ts'
import { TrustPolicy } from '../../src/domain/cells/trust.ts'
import { Directory } from '../../src/domain/federation/directory.ts'
import { Partners } from '../../src/domain/federation/partners.ts'
import { unlessAborted } from '../../src/kernel/base/racing.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { Events } from '../../src/kernel/telemetry/events.ts'
import type { Network } from '../../src/network/network.ts'
import type { Standing } from '../../src/node/flows/known-logs.ts'
import { CellRequests } from '../../src/node/flows/request-cell.ts'
import { YankFreshness } from '../../src/node/flows/yank-freshness.ts'
import { KnownOffers, OfferVerifier } from '../../src/node/offers.ts'
import { silentLogger } from '../network/nodes.ts'
import { manifestOf, NETWORK, newPublisher, openCells, signedCell, summaryOf, TestClock } from '../support/cells.ts'
import { offerOf } from '../support/node-pairs.ts'
import { RANKERS } from '../support/rankers.ts'
import { NO_VULNERABILITIES } from '../support/vulnerabilities.ts'
import { NO_YANKS } from '../support/yanks.ts'

const QUERY: CellQuery = { by: 'capability', name: 'parse' }
const WAIT_MS = 20_000
const alice = newPublisher()
const cell = signedCell(alice, manifestOf(alice.publisher, summaryOf(new Uint8Array(10))))

/** Requests over a real store, and a network whose DHT names `holders`. Those named `hangs…` never answer, `good` has the cell. */
async function open(t: TestContext, holders: readonly string[], standings: Readonly<Record<string, Standing>> = {}) {
  const clock = new TestClock()
  const { store, index } = await openCells(t, { clock })
  const asked: string[] = []
  const network: Pick<Network, 'findProviders'> & {
    request: (peer: string, method: string, body: unknown, options: { signal: AbortSignal }) => Promise<unknown>
  } = {
    async *findProviders() {
      for (const providerId of holders) yield { providerId, addresses: [] }
    },
    request: async (peer, _method, _body, { signal }) => {
      asked.push(peer)
      return peer === 'good' ? { cells: [offerOf(cell)] } : unlessAborted(new Promise(() => undefined), signal)
    },
  }
  const parts = {
    clock,
    config: { network: { name: NETWORK } },
    logger: silentLogger,
    events: new Events(silentLogger),
    index,
    trust: new TrustPolicy({ pinned: [], self: 'self', accept: 'any' }),
    rankers: RANKERS,
    yanks: NO_YANKS,
    vulnerabilities: NO_VULNERABILITIES,
    directory: new Directory({ store, clock, limits: { maxCells: 10, maxCellsPerProvider: 10 }, self: 'self' }),
    partners: new Partners(store, clock),
    freshness: new YankFreshness({
      clock,
      config: { receipts: { witnesses: [] } },
      partners: { get: () => undefined, isUntrusted: () => false },
    }),
    offers: new KnownOffers(),
    offerVerifier: new OfferVerifier(NETWORK, nativeVerifier, new Publishers(store)),
    network: network as Partial<Network> as Network,
    receipts: { place: () => 1 as const },
    keys: { providerId: 'self' },
    knownLogs: { standing: (provider: string) => standings[provider] ?? 'good' },
    closeNames: { alternatives: async () => [] },
    relay: { ask: async () => undefined },
  }
  const requests = new CellRequests(parts, { isLogged: () => false, registration: () => undefined })
  t.after(() => requests.stop())
  return { clock, asked, requests }
}

describe('the DHT', () => {
  it('names one that hangs: the next are asked beside it', async (t) => {
    const { requests, asked } = await open(t, ['hangs', 'self', 'hangs too', 'good'])
    const outcome = await requests.answer(QUERY, WAIT_MS)
    assert.equal(outcome.status, 'success')
    assert.equal(outcome.source, 'dht')
    assert.deepEqual(asked, ['hangs', 'hangs too', 'good'])
  })
})

describe('who joins a search', () => {
  it('waits only for what is left of it', async (t) => {
    const { requests, clock } = await open(t, ['hangs'])
    const first = await requests.answer(QUERY, 0)
    assert.ok(first.status === 'pending' && first.estimatedWaitMs === LIMITS.maxWaitSeconds * 1000)
    clock.advance(10_000)
    const second = await requests.answer(QUERY, 0)
    assert.ok(second.status === 'pending' && second.estimatedWaitMs === first.estimatedWaitMs - 10_000)
  })
})

describe('a provider whose log is not in order', () => {
  const standings = { suspended: 'suspended', equivocated: 'equivocated' } as const
  const holders = ['equivocated', 'suspended', 'good']

  it('is not asked at high and maximum while it owes a proof, and never once it contradicted itself', async (t) => {
    for (const securityLevel of [undefined, 'high', 'maximum'] as const) {
      const { requests, asked } = await open(t, holders, standings)
      const query = { ...QUERY, ...(securityLevel && { securityLevel }) }
      const outcome = requests.answer(query, WAIT_MS)
      if (securityLevel === undefined) assert.equal((await outcome).status, 'success')
      else assert.equal((await outcome).status, 'not_found')
      const expected = securityLevel === undefined ? ['suspended', 'good'] : ['good']
      // Whoever is left may also be asked for the proof from its log.
      assert.deepEqual([...new Set(asked)], expected)
    }
  })
})
