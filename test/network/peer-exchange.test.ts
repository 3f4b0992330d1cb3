import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { multiaddr } from '@multiformats/multiaddr'
import { LIMITS } from '../../protocol/limits.ts'
import { toBase64Url } from '../../src/kernel/base/bytes.ts'
import { KnownPeers } from '../../src/network/known-peers.ts'
import { PeerExchange } from '../../src/network/peer-exchange.ts'
import { silentLogger } from './nodes.ts'

interface Said {
  about?: PrivateKey
  addresses?: string[]
  sequence?: number
}

/** A record that `key` signed. */
async function recordBy(key: PrivateKey, { about = key, addresses, sequence = 1 }: Said = {}): Promise<string> {
  const record = new PeerRecord({
    peerId: peerIdFromPrivateKey(about),
    multiaddrs: (addresses ?? ['/ip4/8.8.8.8/tcp/9000']).map((text) => multiaddr(text)),
    seqNumber: BigInt(sequence),
  })
  return toBase64Url((await RecordEnvelope.seal(record, key)).marshal())
}

const newKey = () => generateKeyPair('Ed25519')
const idOf = (key: PrivateKey) => peerIdFromPrivateKey(key).toString()

/** An exchange with a peer that answers `records`; private addresses are not taken from it. */
function exchangeWith(records: () => readonly string[], now: () => number = Date.now) {
  const known = new KnownPeers(undefined, silentLogger)
  const punished: string[] = []
  const exchange = new PeerExchange(
    {
      self: 'self',
      known,
      logger: silentLogger,
      isConnected: () => false,
      request: async () => records(),
      allowed: (_peer, addresses) => addresses.filter((address) => !address.toString().includes('/192.168.')),
      punish: (peer) => punished.push(peer),
    },
    now,
  )
  return { exchange, known, punished, ask: () => exchange.ask('teller', AbortSignal.timeout(1000)) }
}

describe('peer exchange', () => {
  it('learns of peers by records that they signed, as far as their addresses may be dialled', async () => {
    const [one, two] = [await newKey(), await newKey()]
    const records = [
      await recordBy(one, { addresses: ['/ip4/8.8.8.8/tcp/9000', '/ip4/192.168.1.1/tcp/9000'] }),
      await recordBy(two, { addresses: ['/ip4/192.168.1.1/tcp/9000'] }),
    ]
    const { ask, known, punished } = exchangeWith(() => records)
    await ask()
    assert.deepEqual(known.get(idOf(one))?.addresses, ['/ip4/8.8.8.8/tcp/9000'])
    assert.equal(known.get(idOf(one))?.reached, null)
    assert.equal(known.get(idOf(two)), undefined)
    assert.deepEqual(punished, [])
  })

  it('reads no further where a record does not hold', async () => {
    const [liar, victim, honest] = [await newKey(), await newKey(), await newKey()]
    const good = await recordBy(honest)
    const many = Array.from({ length: LIMITS.announcementAddresses + 1 }, (_, i) => `/ip4/8.8.8.${i}/tcp/1`)
    const forged = [
      await recordBy(liar, { about: victim }),
      `${good.slice(0, -4)}AAAA`,
      'AAAA',
      'A'.repeat(LIMITS.peerRecordCharacters + 1),
      await recordBy(liar, { addresses: many }),
    ]
    for (const record of forged) {
      const { ask, known, punished } = exchangeWith(() => [record, good])
      await ask()
      assert.equal(known.size, 0, record.slice(0, 40))
      assert.deepEqual(punished, ['teller'])
    }
  })

  it('keeps the newest record of a peer', async () => {
    const key = await newKey()
    let now = 0
    let records = [await recordBy(key, { sequence: 2, addresses: ['/ip4/8.8.8.8/tcp/2'] })]
    const { ask, known } = exchangeWith(
      () => records,
      () => now,
    )
    await ask()
    records = [await recordBy(key, { sequence: 1, addresses: ['/ip4/8.8.8.8/tcp/1'] })]
    now += 60_000
    await ask()
    assert.deepEqual(known.get(idOf(key))?.addresses, ['/ip4/8.8.8.8/tcp/2'])
    records = [await recordBy(key, { sequence: 3, addresses: ['/ip4/8.8.8.8/tcp/3'] })]
    await ask()
    assert.deepEqual(known.get(idOf(key))?.addresses, ['/ip4/8.8.8.8/tcp/2'], 'asked once a minute')
    now += 60_000
    await ask()
    assert.deepEqual(known.get(idOf(key))?.addresses, ['/ip4/8.8.8.8/tcp/3'])
  })

  it('answers a peer once a minute, and in bounded memory', async () => {
    let now = 0
    const key = await newKey()
    const { exchange, known } = exchangeWith(
      () => [],
      () => now,
    )
    known.reached(idOf(key), [multiaddr('/ip4/8.8.8.8/tcp/1')], await recordBy(key))
    assert.equal(exchange.answer('asker').length, 1)
    assert.equal(exchange.answer('asker').length, 0)
    for (let i = 0; i < 4095; i++) assert.equal(exchange.answer(`asker ${i}`).length, 1)
    assert.equal(exchange.answer('one more').length, 0)
    now += 60_000
    assert.equal(exchange.answer('one more').length, 1)
    assert.equal(exchange.answer('asker').length, 1)
  })

  it('asks nobody more while it remembers as many as it may', async () => {
    let now = 0
    const { exchange } = exchangeWith(
      () => [],
      () => now,
    )
    for (let i = 0; i < 4096; i++) await exchange.ask(`peer ${i}`, AbortSignal.timeout(1000))
    assert.equal(exchange.mayAsk('one more'), false)
    now += 60_000
    assert.equal(exchange.mayAsk('one more'), true)
  })
})
