import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { LIMITS } from '../../protocol/limits.ts'
import { protocolIds } from '../../protocol/protocol-ids.ts'
import type { RpcMethods } from '../../protocol/rpc.ts'
import { exampleAnswers, exampleRequests } from '../../scripts/vectors/messages.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { BatchOpener, BatchSealer } from '../../src/network/batch.ts'
import { encodeFrame, FrameDecoder } from '../../src/network/frames.ts'
import { PeerError } from '../../src/network/peer-error.ts'
import { openHandshake } from '../../src/network/session.ts'
import { emptyHandlers, NETWORK, newIdentity, startNode, type TestNodeOptions, within } from '../network/nodes.ts'
import { answered, shaken, wireAttacker } from '../support/wire-attacker.ts'

type Method = keyof RpcMethods
const METHODS = Object.keys(exampleRequests) as Method[]
/** The network answers two by itself. */
const { ping: _, peer_exchange: __, ...HANDLED } = exampleRequests

/** A node that counts what reaches its handlers. */
async function victim(t: TestContext, options: TestNodeOptions = {}) {
  const seen: string[] = []
  const count = <A>(answer: () => A, name: string) => {
    return (): A => {
      seen.push(name)
      return answer()
    }
  }
  const node = await startNode(t, {
    ...options,
    handlers: {
      onCellRequest: count(() => [], 'cell_request'),
      onPackageRequest: count(async () => undefined, 'package_request'),
      onAnnouncementsRequest: count(async () => ({ announcements: [] }), 'announcements_request'),
      answers: Object.fromEntries(
        Object.entries(emptyHandlers.answers).map(([method, answer]) => [
          method,
          (...asked: Parameters<typeof answer>) => {
            seen.push(method)
            return (answer as (...all: Parameters<typeof answer>) => object)(...asked)
          },
        ]),
      ),
    },
    config: { message_burst: 1000 },
  })
  // The tests break the protocol hundreds of times; what that costs is tested elsewhere.
  t.mock.method(node.network.scores, 'record', () => undefined)
  return { node, seen }
}

/** Payloads that no node may take, made of one that it takes. */
function unreadable(payload: string): Record<string, Uint8Array> {
  const inside = payload.slice(0, -1)
  const deep = '['.repeat(LIMITS.jsonDepth) + ']'.repeat(LIMITS.jsonDepth)
  return {
    'a repeated key': Buffer.from(`${inside},"id":1}`),
    'the key __proto__': Buffer.from(`${inside},"__proto__":{}}`),
    'a lone surrogate': Buffer.from(`${inside},"x":"\\udc00"}`),
    'deep nesting': Buffer.from(`${inside},"x":${deep}}`),
    'nesting without end': Buffer.from('['.repeat(100_000)),
    'invalid UTF-8': Buffer.concat([
      Buffer.from(`${inside},"x":"`),
      Buffer.from([0xed, 0xa0, 0x80]),
      Buffer.from('"}'),
    ]),
    'an overlong encoding': Buffer.concat([
      Buffer.from(`${inside},"x":"`),
      Buffer.from([0xc0, 0xaf]),
      Buffer.from('"}'),
    ]),
    'a byte order mark': Buffer.from(`\ufeff${payload}`),
    'half of it': Buffer.from(inside),
    'a number outside IEEE 754': Buffer.from(`${inside},"x":1e999}`),
  }
}

const header = (length: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  return bytes
}
const payloadOf = (message: object): Buffer => Buffer.from(JSON.stringify(message))

describe('frames that a certified peer signed, and that nobody may take', () => {
  it('end the stream, whatever they ask for, and reach no handler', async (t) => {
    const { node, seen } = await victim(t)
    const { self, open } = await wireAttacker(t)
    for (const method of METHODS) {
      for (const [name, payload] of Object.entries(unreadable(JSON.stringify(exampleRequests[method])))) {
        const { stream, closed } = await open(node)
        const { sealer } = await shaken(stream, self, node.providerId)
        stream.send(sealer.seal([payload]))
        await closed
        assert.deepEqual(seen, [], `${method} with ${name}`)
      }
    }
  })

  it('are refused with a reason where they are readable, and the stream goes on', async (t) => {
    const { node, seen } = await victim(t)
    const { self, open } = await wireAttacker(t)
    const { stream } = await open(node)
    const { sealer, next } = await shaken(stream, self, node.providerId)
    const answer = async () => {
      const text = await next()
      await next()
      return JSON.parse(text)
    }
    for (const method of METHODS) {
      stream.send(sealer.seal([payloadOf({ ...exampleRequests[method], unknown: 1 })]))
      assert.equal((await answer()).code, 'bad_request', method)
      assert.deepEqual(seen, [], method)
    }
    for (const method of METHODS) {
      stream.send(sealer.seal([payloadOf(exampleRequests[method])]))
      assert.equal((await answer()).id, exampleRequests[method].id, method)
    }
    assert.deepEqual(seen.sort(), Object.keys(HANDLED).sort())
  })

  it('as answers fail the request as a violation, and the next one works', async (t) => {
    const { node } = await victim(t)
    const { host, self } = await wireAttacker(t)
    let answerTo = (id: number): Uint8Array => Buffer.from(`{"id":${id}}`)
    await host.handle(protocolIds(NETWORK).rpc, async (stream) => {
      const { nextFrame, sealer } = await answered(stream, self, node.providerId)
      // The first request of a stream is the ping that measures it.
      const ids: number[] = []
      while (ids.length < 2) {
        const { type, id } = JSON.parse(String(await nextFrame()))
        if (type !== 'batch') ids.push(id)
      }
      stream.send(sealer.seal([answerTo(ids[1]!)]))
    })
    await node.network.addAddresses(self.providerId, host.getMultiaddrs().map(String))
    const ask = async (method: Method): Promise<unknown> => {
      await node.network.session(self.providerId, within())
      const { type: _type, id: _id, ...body } = exampleRequests[method]
      return node.network.request(self.providerId, method, body as never, within())
    }
    for (const method of METHODS) {
      const right = (id: number) => ({ ...exampleAnswers[method], id })
      const { id: _id, ...example } = exampleAnswers[method]
      const names = Object.keys(unreadable('{}'))
      const bad: Record<string, (id: number) => Uint8Array> = {
        ...Object.fromEntries(names.map((name) => [name, (id) => unreadable(JSON.stringify(right(id)))[name]!])),
        'an unknown member': (id) => payloadOf({ ...right(id), unknown: 1 }),
        'another type': (id) => payloadOf({ ...right(id), type: 'surprise' }),
        'no id': () => payloadOf(example),
      }
      for (const [name, write] of Object.entries(bad)) {
        answerTo = write
        await assert.rejects(
          ask(method),
          (error) => error instanceof PeerError && error.code === 'violation',
          `${method} with ${name}`,
        )
      }
      answerTo = (id) => payloadOf(right(id))
      const { id, ...answer } = (await ask(method)) as { id: number }
      assert.deepEqual(answer, example)
      // The stream is still good; the next method begins a new one.
      const lost = new Promise<void>((resolve) => node.events.on('peer_disconnected', () => resolve()))
      await Promise.all(host.getConnections().map((connection) => connection.close()))
      await lost
      assert.ok(id > 0)
    }
  })
})

describe('the length of a frame', () => {
  const lengths = {
    'of nothing': 0,
    'one over the limit': LIMITS.frameBytes + 1,
    'of 2^31': 2 ** 31,
    'of 2^32-1': 2 ** 32 - 1,
  }
  for (const [name, length] of Object.entries(lengths)) {
    it(`${name} ends the stream at once, before and after the handshake`, async (t) => {
      const { node, seen } = await victim(t)
      const { self, open } = await wireAttacker(t)
      const first = await open(node)
      first.stream.send(header(length))
      await first.closed
      const second = await open(node)
      await shaken(second.stream, self, node.providerId)
      second.stream.send(header(length))
      await second.closed
      assert.deepEqual(seen, [])
    })
  }

  it('over that of a handshake ends the stream before there was one', async (t) => {
    const { node } = await victim(t)
    const { open } = await wireAttacker(t)
    const { stream, closed } = await open(node)
    stream.send(header(4097))
    await closed
  })

  it('of a stream for package bytes is bounded too', async (t) => {
    const { node } = await victim(t)
    const { host } = await wireAttacker(t)
    for (const length of [0, 513, 2 ** 32 - 1]) {
      const connection = await host.dial(node.network.addresses.map((text) => multiaddr(text)))
      const stream = await connection.newStream(protocolIds(NETWORK).package)
      const closed = new Promise<void>((resolve) => stream.addEventListener('close', () => resolve()))
      stream.send(header(length))
      await closed
    }
  })
})

describe('a batch that is cut', () => {
  it('at any byte, of whatever it asks, hands on nothing', () => {
    const identity = newIdentity()
    const binding = { network: NETWORK, session: 'ab'.repeat(32), from: identity.providerId }
    for (const message of [...Object.values(exampleRequests), ...Object.values(exampleAnswers)]) {
      const bytes = new BatchSealer(binding, identity.wire.key).seal([payloadOf(message)])
      for (let cut = 0; cut <= bytes.length; cut++) {
        const seen: unknown[] = []
        const opener = new BatchOpener(binding, identity.wire.key.publicKey, nativeVerifier, (value) =>
          seen.push(value),
        )
        for (const frame of new FrameDecoder().push(bytes.subarray(0, cut))) opener.push(frame)
        assert.deepEqual(seen, cut === bytes.length ? [message] : [], `${message.type} cut at ${cut}`)
      }
    }
  })

  it('reaches no handler, whether the stream ends or is reset there', async (t) => {
    const { node, seen } = await victim(t)
    const { self, open } = await wireAttacker(t)
    for (const reset of [false, true]) {
      for (const left of [1, 5, 100, 200]) {
        const { stream, closed } = await open(node)
        const { sealer } = await shaken(stream, self, node.providerId)
        const bytes = sealer.seal([payloadOf(exampleRequests.state_request)])
        stream.send(bytes.subarray(0, bytes.length - left))
        if (reset) stream.abort(new Error('cut'))
        else await stream.close()
        await closed
      }
    }
    const { stream } = await open(node)
    const { sealer, next } = await shaken(stream, self, node.providerId)
    stream.send(sealer.seal([payloadOf(exampleRequests.ping)]))
    assert.equal(JSON.parse(await next()).type, 'pong')
    assert.deepEqual(seen, [])
  })

  it('in its count, upwards or downwards, ends the stream', async (t) => {
    const { node, seen } = await victim(t)
    const { self, open } = await wireAttacker(t)
    const frames = [1, 2, 3].map((id) => payloadOf({ ...exampleRequests.state_request, id }))
    for (const count of [0, 1, 2, 4, LIMITS.batchFrames, LIMITS.batchFrames + 1, -1, 1.5]) {
      const { stream, closed } = await open(node)
      const { sealer } = await shaken(stream, self, node.providerId)
      const sealed = [...new FrameDecoder().push(sealer.seal(frames))].map((frame) => Buffer.from(frame))
      const batch = { ...JSON.parse(sealed.pop()!.toString()), count }
      for (const frame of sealed) stream.send(encodeFrame(frame))
      stream.send(encodeFrame(payloadOf(batch)))
      await closed
      assert.deepEqual(seen, [], `count ${count}`)
    }
  })
})

describe('a batch that was recorded', () => {
  it('counts on no other stream of the same peer, nor on that of another peer', async (t) => {
    const { node, seen } = await victim(t)
    const one = await wireAttacker(t)
    const other = await wireAttacker(t)
    const recorded = await one.open(node)
    const { sealer, next } = await shaken(recorded.stream, one.self, node.providerId)
    const bytes = sealer.seal([payloadOf(exampleRequests.state_request)])
    recorded.stream.send(bytes)
    await next()
    assert.deepEqual(seen, ['state_request'])
    for (const { self, open } of [one, other]) {
      const { stream, closed } = await open(node)
      await shaken(stream, self, node.providerId)
      stream.send(bytes)
      await closed
    }
    // On its own stream it was the first; there is no second first.
    recorded.stream.send(bytes)
    await recorded.closed
    assert.deepEqual(seen, ['state_request'])
  })

  it('does not count after the challenge that it followed, before and after a restart', async (t) => {
    const identity = newIdentity()
    const { node, seen } = await victim(t, { identity })
    const { host, self, open } = await wireAttacker(t)
    const { stream } = await open(node)
    const { challenge, sealer, next } = await shaken(stream, self, node.providerId)
    const bytes = sealer.seal([payloadOf(exampleRequests.state_request)])
    stream.send(bytes)
    await next()
    const replay = async () => {
      const again = await open(node)
      again.stream.send(Buffer.concat([encodeFrame(challenge), bytes]))
      await again.closed
    }
    await replay()
    const lost = new Promise<void>((resolve) => host.addEventListener('peer:disconnect', () => resolve()))
    await node.network.stop()
    await lost
    await node.network.start()
    await replay()
    assert.deepEqual(seen, ['state_request'])
  })

  it('of the node itself is not taken back: neither its answers, nor its requests', async (t) => {
    const { node, seen } = await victim(t)
    const { host, self, open } = await wireAttacker(t)
    const { stream, closed } = await open(node)
    const { sealer, nextFrame } = await shaken(stream, self, node.providerId)
    stream.send(sealer.seal([payloadOf(exampleRequests.ping)]))
    const answer = [await nextFrame(), await nextFrame()]
    stream.send(Buffer.concat(answer.map(encodeFrame)))
    await closed

    const recorded = Promise.withResolvers<Buffer[]>()
    await host.handle(protocolIds(NETWORK).rpc, async (opened) => {
      const { nextFrame: asked } = await answered(opened, self, node.providerId)
      const frames: Buffer[] = []
      const types = new Set<string>()
      while (!types.has('state_request') || JSON.parse(String(frames.at(-1))).type !== 'batch') {
        const frame = await asked()
        frames.push(frame)
        types.add(JSON.parse(String(frame)).type)
      }
      recorded.resolve(frames)
    })
    await node.network.addAddresses(self.providerId, host.getMultiaddrs().map(String))
    await node.network.session(self.providerId, within())
    const asking = node.network.request(self.providerId, 'state_request', {}, within(60_000)).catch(() => undefined)
    const frames = await recorded.promise
    const back = await open(node)
    await shaken(back.stream, self, node.providerId)
    back.stream.send(Buffer.concat(frames.map(encodeFrame)))
    await back.closed
    assert.deepEqual(seen, [])
    await host.stop()
    await asking
  })
})

describe('a handshake', () => {
  it('of bytes that nobody may take ends the stream', async (t) => {
    const { node, seen } = await victim(t)
    const { self, open } = await wireAttacker(t)
    const { challenge } = openHandshake(self, node.providerId)
    for (const payload of Object.values(unreadable(challenge))) {
      const { stream, closed } = await open(node)
      stream.send(encodeFrame(payload.subarray(0, 4096)))
      await closed
    }
    assert.deepEqual(seen, [])
  })

  it('that is followed by requests before it is answered ends the stream', async (t) => {
    const { node, seen } = await victim(t)
    const { self, open } = await wireAttacker(t)
    const { challenge } = openHandshake(self, node.providerId)
    const guessed = new BatchSealer({ network: NETWORK, session: '0'.repeat(64), from: self.providerId }, self.key)
    const { stream, closed } = await open(node)
    stream.send(Buffer.concat([encodeFrame(challenge), guessed.seal([payloadOf(exampleRequests.state_request)])]))
    await closed
    assert.deepEqual(seen, [])
  })
})
