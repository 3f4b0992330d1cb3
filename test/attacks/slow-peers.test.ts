import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import { exampleRequests } from '../../scripts/vectors/messages.ts'
import { encodeFrame } from '../../src/network/frames.ts'
import { INCOMPLETE_BYTES } from '../../src/network/incomplete-batches.ts'
import { openHandshake } from '../../src/network/session.ts'
import { askFor, startNode, type TestNode, within } from '../network/nodes.ts'
import { type AttackStream, shaken, wireAttacker } from '../support/wire-attacker.ts'
import { type Victim, type VictimState, victim } from './victim.ts'

/** How much the heap of a node may have grown by when an attack is over. */
const GROWTH_BYTES = 16 * 1024 * 1024
/** Milliseconds in which it must have let go of everything. */
const BASE_MS = 60_000
/** Milliseconds of attacks that only take time. */
const ATTACK_MS = process.env.LONG_TESTS ? 60_000 : 6000
/** Far more than may be under way at once. */
const HALF_OPEN = process.env.LONG_TESTS ? 2000 : 600

/** Wire addresses of a whole node, as the helpers for bare ones take it. */
const asTarget = ({ providerId, address }: Victim) =>
  ({ providerId, network: { addresses: [address] } }) as unknown as TestNode

/** An honest node that is connected to `node`. */
async function friend(t: TestContext, node: Victim): Promise<TestNode> {
  const honest = await startNode(t)
  await honest.network.addAddresses(node.providerId, [node.address])
  await ask(honest, node)
  return honest
}

async function ask(honest: TestNode, { providerId }: Victim): Promise<void> {
  const { cells } = await honest.network.request(providerId, 'cell_request', askFor('honest'), within())
  assert.equal(cells.length, 1)
}

/** Asks until the attack is over: how often. Every answer must come. */
async function asksUntil(honest: TestNode, node: Victim, over: Promise<unknown>): Promise<number> {
  let asked = 0
  let isOver = false
  void over.finally(() => {
    isOver = true
  })
  while (!isOver) {
    await ask(honest, node)
    asked++
    await new Promise((again) => setTimeout(again, 20))
  }
  return asked
}

/** Connections of honest newcomers, and of attackers whose connection is not what they attack with. */
const HONEST = 40

/** The node is as it was before, but for what it remembers. */
async function unharmed(t: TestContext, node: Victim, base: VictimState): Promise<void> {
  const deadline = performance.now() + BASE_MS
  while (true) {
    const { failures, heapBytes, anonymousBytes, sockets } = await node.state()
    assert.equal(failures, 0)
    if (heapBytes - base.heapBytes < GROWTH_BYTES && sockets <= base.sockets + HONEST) {
      const [before, after] = [mib(base.anonymousBytes), mib(anonymousBytes)]
      t.diagnostic(`heap ${mib(base.heapBytes)} -> ${mib(heapBytes)} MiB, anonymous ${before} -> ${after} MiB`)
      return
    }
    const found = `${sockets} sockets, before ${base.sockets}; ${heapBytes} bytes, before ${base.heapBytes}`
    assert.ok(performance.now() < deadline, found)
    await new Promise((again) => setTimeout(again, 200))
  }
}

const mib = (bytes: number): string => (bytes / 1024 / 1024).toFixed(1)

async function target(t: TestContext, settings: Record<string, string> = {}) {
  const node = await victim(t, { settings })
  await node.register('honest')
  const honest = await friend(t, node)
  return { node, honest, base: await node.state() }
}

/** The opening of a noise handshake: protocol negotiation, then an ephemeral key. What would have to follow is never sent. */
const HALF_OF_NOISE = Buffer.concat([
  Buffer.from('\x13/multistream/1.0.0\n\x07/noise\n'),
  Buffer.from([0, 32]),
  randomBytes(32),
])

describe('half-open handshakes by the hundreds', () => {
  const origins: Record<string, { from: string; perSecond: string; skip?: string | false }> = {
    // The worst case: they come from where the honest come from, and nothing holds them back.
    'from one address, without a limit per second': { from: '127.0.0.1', perSecond: '100000' },
    'from another address, with the limit that is the default': {
      from: '127.0.0.2',
      perSecond: '100',
      skip: process.env.LONG_TESTS ? false : 'the milder case of the two: npm run test:long',
    },
  }
  for (const [name, { from, perSecond, skip = false }] of Object.entries(origins)) {
    it(`${name}: honest peers connect and are answered`, { skip }, async (t) => {
      if (!(await canConnectFrom(from))) {
        t.skip(`this system has no ${from}`)
        return
      }
      const { node, honest, base } = await target(t, { 'p2p.inbound_per_second': perSecond })
      const sockets: Socket[] = []
      t.after(() => {
        for (const socket of sockets) socket.destroy()
      })
      const flood = async () => {
        for (let i = 0; i < HALF_OPEN; i++) {
          const socket = connect({ port: node.port, host: '127.0.0.1', localAddress: from })
          sockets.push(socket)
          socket.on('error', () => undefined)
          socket.resume()
          if (i % 2 === 1) socket.write(HALF_OF_NOISE)
          if (i % 50 === 49) await new Promise((next) => setTimeout(next, 20))
        }
      }
      const over = flood()
      const newcomers = (async () => {
        for (let i = 0; i < 5; i++) await friend(t, node)
      })()
      const [asked] = await Promise.all([asksUntil(honest, node, Promise.all([over, newcomers])), over, newcomers])
      t.diagnostic(`${asked} requests answered meanwhile`)
      assert.ok(asked > 0)
      await ask(honest, node)
      // It gives them up by itself: the attacker closes nothing. (It may believe in connections that the system never handed to the node.)
      await unharmed(t, node, base)
    })
  }
})

async function canConnectFrom(localAddress: string): Promise<boolean> {
  const socket = connect({ port: 1, host: '127.0.0.1', localAddress })
  const [error] = (await once(socket, 'error').catch((reason: unknown) => [reason])) as [NodeJS.ErrnoException]
  return error.code === 'ECONNREFUSED'
}

describe('peers that take their time', () => {
  it('over a handshake are cut off, and over frames keep little', async (t) => {
    const { node, honest, base } = await target(t)
    const streams: AttackStream[] = []
    const handshakes: Promise<void>[] = []
    const drip: (() => void)[] = []
    for (let i = 0; i < 10; i++) {
      const { self, open } = await wireAttacker(t)
      const { challenge } = openHandshake(self, node.providerId)
      // Nothing at all, a challenge byte by byte, a frame byte by byte, a batch without its end.
      const silent = await open(asTarget(node))
      const slow = await open(asTarget(node))
      handshakes.push(silent.closed, slow.closed)
      drip.push(bytewise(slow, encodeFrame(challenge)))
      for (const begin of [Buffer.from([0, 15, 0, 0]), batchWithoutEnd()]) {
        const attack = await open(asTarget(node))
        await shaken(attack.stream, self, node.providerId)
        attack.stream.send(begin)
        drip.push(bytewise(attack, Buffer.alloc(1000, 0x20)))
        streams.push(attack)
      }
    }
    const ticking = setInterval(() => {
      for (const next of drip) next()
    }, 100)
    t.after(() => clearInterval(ticking))
    const over = Promise.all([...handshakes, new Promise((end) => setTimeout(end, ATTACK_MS))])
    const asked = await asksUntil(honest, node, over)
    clearInterval(ticking)
    t.diagnostic(`${asked} requests answered meanwhile`)
    for (const { stream } of streams) stream.abort(new Error('enough'))
    await unharmed(t, node, base)
  })

  it('over more batches than fit displace the oldest of them, and the honest go on', async (t) => {
    const { node, honest, base } = await target(t)
    const most = INCOMPLETE_BYTES / (LIMITS.batchBytes - LIMITS.frameBytes)
    const streams: AttackStream[] = []
    const closed: number[] = []
    const begun = async () => {
      while (streams.length < most + 8) {
        const { self, open } = await wireAttacker(t)
        for (let i = 0; i < 4; i++) {
          const index = streams.length
          const attack = await open(asTarget(node))
          await shaken(attack.stream, self, node.providerId)
          const piece = encodeFrame(Buffer.alloc(LIMITS.frameBytes - 4, 0x20))
          for (let frame = 0; frame < 3; frame++) attack.stream.send(piece)
          void attack.closed.then(() => closed.push(index))
          streams.push(attack)
        }
      }
      // Whoever began first is the first to go.
      await Promise.all(streams.slice(0, 4).map((attack) => attack.closed))
    }
    const asked = await asksUntil(honest, node, begun())
    t.diagnostic(`${asked} requests answered meanwhile, ${closed.length} of ${streams.length} streams given up`)
    assert.ok(asked > 0 && closed.length < streams.length)
    for (const { stream } of streams) stream.abort(new Error('enough'))
    await unharmed(t, node, base)
  })

  it('to read their answers are not waited for, and cost nothing that stays', async (t) => {
    const { node, honest, base } = await target(t)
    const attacks = Array.from({ length: 8 }, async () => {
      const { self, open } = await wireAttacker(t)
      const { stream, closed } = await open(asTarget(node))
      const { sealer } = await shaken(stream, self, node.providerId)
      stream.pause()
      const range = `>=1 ${' '.repeat(200)}`
      for (let batch = 0; stream.status === 'open' && batch < 400; batch++) {
        const frames = Array.from({ length: 500 }, (_, id) =>
          Buffer.from(JSON.stringify({ ...exampleRequests.cell_request, id, name: 'honest', range })),
        )
        stream.send(sealer.seal(frames))
        await new Promise<void>((resolve) => setImmediate(resolve))
      }
      await closed
    })
    const asked = await asksUntil(honest, node, Promise.all(attacks))
    t.diagnostic(`${asked} requests answered meanwhile`)
    assert.ok(asked > 0)
    await ask(honest, node)
    await unharmed(t, node, base)
  })
})

/** Sends `bytes` one by one, each time it is called, for as long as the stream takes them. */
function bytewise({ stream }: AttackStream, bytes: Uint8Array): () => void {
  let at = 0
  return () => {
    if (stream.status === 'open' && at < bytes.length) stream.send(bytes.subarray(at, ++at))
  }
}

/** Frames of a batch that never gets its signature, and the beginning of one more. */
function batchWithoutEnd(): Uint8Array {
  const frame = encodeFrame(JSON.stringify(exampleRequests.cell_request))
  return Buffer.concat([...Array.from({ length: LIMITS.batchFrames - 1 }, () => frame), Buffer.from([0, 15, 0, 0])])
}
