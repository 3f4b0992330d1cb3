import type { TestContext } from 'node:test'
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { Registry } from 'prom-client'
import { protocolIds } from '../../protocol/protocol-ids.ts'
import { BatchSealer } from '../../src/network/batch.ts'
import { DialRules } from '../../src/network/dial-rules.ts'
import { encodeFrame, FrameDecoder } from '../../src/network/frames.ts'
import { createHost, type Host, startHost } from '../../src/network/host.ts'
import { answerHandshake, openHandshake, type WireIdentity } from '../../src/network/session.ts'
import { partsOf } from '../../src/network/streams.ts'
import { NETWORK, newIdentity, silentLogger, type TestNode, testP2p, wireIdentity } from '../network/nodes.ts'

/** A peer with a valid identity that writes what it likes. */
export interface WireAttacker {
  readonly host: Host
  readonly self: WireIdentity
  /** Opens a stream of `target`'s RPC protocol; nothing is written yet. */
  open(target: Pick<TestNode, 'network'>): Promise<AttackStream>
}

/** A stream, and when it has ended. */
export interface AttackStream {
  readonly stream: Stream
  readonly closed: Promise<void>
}

/** An attacker on a free port of 127.0.0.1, stopped when the test ends. */
export async function wireAttacker(t: TestContext, identity = newIdentity()): Promise<WireAttacker> {
  const config = testP2p()
  const host = await createHost({
    network: NETWORK,
    identitySeed: identity.identitySeed,
    config,
    logger: silentLogger,
    metrics: { registry: new Registry() },
    dialRules: new DialRules(() => ['loopback']),
  })
  await startHost(host, config)
  t.after(() => host.stop())
  return {
    host,
    self: wireIdentity(identity),
    open: async ({ network }) => {
      const stream = await host.dialProtocol(multiaddr(network.addresses[0]), protocolIds(NETWORK).rpc)
      const closed = new Promise<void>((resolve) => stream.addEventListener('close', () => resolve()))
      return { stream, closed }
    },
  }
}

/** The frames that arrive on a stream, one by one. */
export function framesOf(stream: Stream): () => Promise<Buffer> {
  const frames: Buffer[] = []
  const decoder = new FrameDecoder()
  let arrived = (): void => undefined
  stream.addEventListener('message', ({ data }) => {
    for (const part of partsOf(data)) for (const frame of decoder.push(part)) frames.push(Buffer.from(frame))
    arrived()
  })
  return async () => {
    while (frames.length === 0) {
      await new Promise<void>((resolve) => {
        arrived = resolve
      })
    }
    return frames.shift()!
  }
}

/** Shakes hands as the opener, and gives back the means to write batches and to read what comes. */
export async function shaken(stream: Stream, self: WireIdentity, remote: string) {
  const nextFrame = framesOf(stream)
  const { challenge, finish } = openHandshake(self, remote)
  stream.send(encodeFrame(challenge))
  const session = finish(await nextFrame())
  return {
    challenge,
    nextFrame,
    next: async (): Promise<string> => (await nextFrame()).toString(),
    sealer: new BatchSealer({ network: NETWORK, session: session.id, from: self.providerId }, self.key),
  }
}

/** The same as the other side: for a stream that `remote` opened. */
export async function answered(stream: Stream, self: WireIdentity, remote: string) {
  const nextFrame = framesOf(stream)
  const { response, session } = answerHandshake(self, remote, await nextFrame())
  stream.send(encodeFrame(response))
  return {
    nextFrame,
    sealer: new BatchSealer({ network: NETWORK, session: session.id, from: self.providerId }, self.key),
  }
}
