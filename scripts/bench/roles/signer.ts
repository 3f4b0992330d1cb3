import { randomBytes, verify } from 'node:crypto'
import { ed25519PublicKey } from '../../../src/kernel/identity/key-encoding.ts'
import { ed25519FromSeed, newSeed } from '../../../src/kernel/identity/keys.ts'
import { type RequestTarget, signRequest, verifyRequest } from '../../../src/kernel/identity/quantum-signature.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'
import { capabilityName, numbered } from '../cells.ts'
import { expectStatus, jsonPost, withClients } from '../http-client.ts'

const NETWORK = 'main'
const NONCE_BYTES = 16
/** What is signed of the requests here: context line, header and body. */
const SIGNED_BYTES = 520

/** A request as the node gets it. */
interface Signed {
  readonly target: RequestTarget
  readonly token: string
}

let signed: Signed[] = []

/** Signs `count` requests, each with a nonce of its own and in turn with one of `keys` keys, for {@link send} and {@link verifyAll}. */
function prepare({
  count,
  keys,
  capabilities,
  audience,
  path,
}: {
  count: number
  keys: number
  capabilities: number
  audience: string
  path: string
}): void {
  const pairs = Array.from({ length: keys }, () => ed25519FromSeed(newSeed()))
  signed = Array.from({ length: count }, (_, number) => {
    const body = {
      request_id: `bench-${numbered(number)}`,
      capability: capabilityName(number % capabilities),
      context: { device_info: { platform: 'linux', memory_gb: 16, cpu_cores: 8, gpu_available: false } },
      preferences: { version_constraints: '^1.0.0' },
    }
    const target = { audience, method: 'POST', path, body }
    const nonce = randomBytes(NONCE_BYTES).toString('base64url')
    return { target, token: signRequest({ ed25519: pairs[number % keys]! }, NETWORK, target, Date.now(), nonce) }
  })
}

/** Sends them all over `connections`. Returns the answers per second. */
function send({ port, path, connections }: { port: number; path: string; connections: number }): Promise<number> {
  const requests = signed.map(({ target, token }) =>
    jsonPost(port, path, JSON.stringify({ ...target.body, quantum_signature: token })),
  )
  return withClients(port, connections, async (clients) => {
    let next = 0
    const since = performance.now()
    await Promise.all(
      clients.map(async (client) => {
        while (next < requests.length) expectStatus((await client.ask(requests[next++]!)).status, 200)
      }),
    )
    return (requests.length * 1000) / (performance.now() - since)
  })
}

/** Verifies them all as the node does, and does nothing else. Returns how many per second. */
function verifyAll(): number {
  const since = performance.now()
  for (const { target, token } of signed) verifyRequest(nativeVerifier, NETWORK, token, target, Date.now())
  return (signed.length * 1000) / (performance.now() - since)
}

/** Checks one signature over and over with OpenSSL, over as many bytes as a request has. Returns how many per second. */
function verifyBare(): number {
  const pair = ed25519FromSeed(newSeed())
  const message = randomBytes(SIGNED_BYTES)
  const signature = pair.sign(message)
  const key = ed25519PublicKey(pair.publicKey)
  const since = performance.now()
  for (const _ of signed) if (!verify(null, message, key, signature)) throw new Error('a good signature is refused')
  return (signed.length * 1000) / (performance.now() - since)
}

export const commands = { prepare, send, verifyAll, verifyBare }
