import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import type { ForwardRequestMessage } from '../../protocol/rpc.ts'
import { TrustPolicy } from '../../src/domain/cells/trust.ts'
import type { PartnerRecord } from '../../src/domain/federation/partners.ts'
import { systemClock } from '../../src/kernel/base/clock.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { QuestionRelay } from '../../src/node/flows/relay-question.ts'
import { OfferVerifier } from '../../src/node/offers.ts'
import { newIdentity, silentLogger } from '../network/nodes.ts'
import { manifestOf, NETWORK, newPublisher, signedCell, summaryOf } from '../support/cells.ts'
import { offerOf } from '../support/node-pairs.ts'

const alice = newPublisher()
const cell = signedCell(alice, manifestOf(alice.publisher, summaryOf(new Uint8Array(10))))
const QUERY = { by: 'capability', name: 'parse', range: '^1.0.0', device: { type: 'phone' } } as never

type Trust = PartnerRecord['trust_level']
interface Links {
  readonly [name: string]: { readonly partners: Readonly<Record<string, Trust>>; readonly holds?: boolean }
}

/** Nodes that know only their partners; every forward between them is recorded. */
function federation(links: Links) {
  const identities = new Map(Object.keys(links).map((name) => [name, newIdentity()]))
  const idOf = (name: string): string => identities.get(name)!.providerId
  const nameOf = (id: string): string => [...identities].find(([, { providerId }]) => providerId === id)?.[0] ?? '?'
  const relays = new Map<string, QuestionRelay>()
  const forwards: { readonly way: string; readonly body: ForwardRequestMessage }[] = []
  for (const [name, { partners, holds }] of Object.entries(links)) {
    const identity = identities.get(name)!
    const records = Object.entries(partners).map(([partner, trust_level]) => ({
      provider_id: idOf(partner),
      trust_level,
      federation_policies: { auto_forward: true, capability_sharing: true, analytics_sharing: false },
    })) as unknown as PartnerRecord[]
    const parts = {
      clock: systemClock,
      logger: silentLogger,
      config: { network: { name: NETWORK } },
      keys: { providerId: identity.providerId, wire: identity.wire },
      directory: { find: () => [] },
      partners: {
        get: (id: string) => records.find(({ provider_id }) => provider_id === id),
        list: () => records,
        isUntrusted: () => false,
      },
      trust: new TrustPolicy({ pinned: [], self: 'self', accept: 'any' }),
      offerVerifier: new OfferVerifier(NETWORK, nativeVerifier, { admit: async () => false } as never),
      network: {
        request: async (peer: string, method: string, body: ForwardRequestMessage) => {
          assert.equal(method, 'forward_request')
          forwards.push({ way: `${name}${nameOf(peer)}`, body })
          return relays.get(nameOf(peer))!.answer(body, identity.providerId)
        },
      },
    }
    relays.set(name, new QuestionRelay(parts as never, () => (holds ? JSON.stringify([offerOf(cell)]) : '[]')))
  }
  const limits = (budget: number) => ({ signal: AbortSignal.timeout(10_000), deadline: Date.now() + 10_000, budget })
  return {
    forwards,
    idOf,
    relays,
    ways: () => forwards.map(({ way }) => way),
    ask: (from: string, to: string, budget = 7) => relays.get(from)!.ask(idOf(to), QUERY, limits(budget)),
  }
}

describe('a forwarded question', () => {
  it('finds what a partner of a partner holds, and says neither who asked nor for what device', async () => {
    const { ask, idOf, forwards } = federation({
      a: { partners: { b: 'trusted' } },
      b: { partners: { a: 'trusted', c: 'trusted' } },
      c: { partners: { b: 'trusted' }, holds: true },
    })
    const answer = await ask('a', 'b')
    assert.equal(answer?.provider, idOf('c'))
    assert.equal(answer.trust, 'trusted')
    assert.deepEqual(
      answer.offers.map(({ id }) => id),
      [cell.id],
    )
    for (const { body } of forwards) {
      assert.deepEqual(Object.keys(body.question).sort(), ['at', 'by', 'name', 'nonce', 'origin', 'range'])
    }
  })

  it('is worth what the least trusted on the way is worth', async () => {
    const { ask } = federation({
      a: { partners: { b: 'trusted' } },
      b: { partners: { a: 'trusted', c: 'limited' } },
      c: { partners: { b: 'trusted' }, holds: true },
    })
    assert.equal((await ask('a', 'b'))?.trust, 'limited')
  })

  it('goes in no circle, and is answered once', async () => {
    const { ask, ways } = federation({
      a: { partners: { b: 'trusted', c: 'trusted' } },
      b: { partners: { a: 'trusted', c: 'trusted' } },
      c: { partners: { a: 'trusted', b: 'trusted' } },
    })
    assert.equal(await ask('a', 'b'), undefined)
    assert.deepEqual(ways(), ['ab', 'bc'])
  })

  it('costs no more asks than its budget, in the whole tree', async () => {
    const names = ['b', 'c', 'd', 'e', 'f', 'g', 'h']
    const all = Object.fromEntries(names.map((name) => [name, 'trusted' as const]))
    const links = Object.fromEntries(names.map((name) => [name, { partners: { a: 'trusted' as const, ...all } }]))
    for (const budget of [0, 1, 3, 7]) {
      const { ask, ways } = federation({ a: { partners: all }, ...links })
      await ask('a', 'b', budget)
      assert.ok(ways().length <= 1 + budget, `${ways().length} asks for a budget of ${budget}`)
    }
  })

  it(`passes ${LIMITS.forwardHops} nodes at most`, async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    const links = Object.fromEntries(
      names.map((name, i) => [
        name,
        {
          partners: Object.fromEntries(
            [names[i - 1], names[i + 1]].flatMap((n) => (n ? [[n, 'trusted' as const]] : [])),
          ),
          holds: name === 'f',
        },
      ]),
    )
    const { ask, ways } = federation(links)
    assert.equal(await ask('a', 'b'), undefined)
    assert.deepEqual(ways(), ['ab', 'bc', 'cd', 'de'])
  })

  it('of somebody who is no partner, of one who is untrusted, or that was changed on its way finds nothing', async () => {
    const { relays, forwards, ask, idOf } = federation({
      a: { partners: { b: 'trusted' } },
      b: { partners: { a: 'trusted', u: 'untrusted' }, holds: true },
      u: { partners: { b: 'trusted' } },
      x: { partners: { b: 'trusted' } },
    })
    assert.equal(await ask('x', 'b'), undefined)
    assert.equal(await ask('u', 'b'), undefined)
    assert.ok(await ask('a', 'b'))
    const { body } = forwards.at(-1)!
    const b = relays.get('b')!
    assert.deepEqual((await b.answer(body, idOf('a'))).cells, [], 'asked again')
    const other = { ...body, question: { ...body.question, name: 'else' } }
    assert.deepEqual((await b.answer(other, idOf('a'))).cells, [], 'another question with the same hops')
  })
})
