import assert from 'node:assert/strict'
import { randomInt, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { generateCertificate, verifyPeerCertificate } from '@libp2p/tls/utils'
import { peerOfCertificate } from '../../src/network/peer-certificate.ts'

const identity = await generateKeyPair('Ed25519')
const certificateOf = async (key = identity): Promise<Buffer> =>
  new X509Certificate((await generateCertificate(key)).cert).raw
const YEAR_MS = 365 * 24 * 3600 * 1000

test('the certificate of a peer says who it is, whatever the kind of its key', async () => {
  for (const key of [identity, await generateKeyPair('secp256k1')]) {
    const peer = await peerOfCertificate(await certificateOf(key as typeof identity))
    assert.ok(peer.equals(peerIdFromPrivateKey(key)), key.type)
  }
})

test('a certificate counts only while it is valid', async () => {
  const raw = await certificateOf()
  await assert.rejects(peerOfCertificate(raw, Date.now() - YEAR_MS), /valid from/)
  await assert.rejects(peerOfCertificate(raw, Date.now() + 101 * YEAR_MS), /valid from/)
})

test('the extension of another certificate proves nothing', async () => {
  // Both have the same length in most cases, so that the extension of one fits into the other.
  const name = Buffer.from('060a2b0601040183a25a0101', 'hex')
  const other = await certificateOf(await generateKeyPair('Ed25519'))
  let raw = await certificateOf()
  for (let tries = 0; raw.length !== other.length && tries < 100; tries++) raw = await certificateOf()
  const mixed = Buffer.from(raw)
  other.copy(mixed, mixed.indexOf(name), other.indexOf(name), other.indexOf(name) + 120)
  await assert.rejects(peerOfCertificate(mixed))
})

test('damaged and cut certificates are refused, and never taken where the reference refuses them', async () => {
  const raw = await certificateOf()
  const peer = peerIdFromPrivateKey(identity)
  for (let length = 0; length < raw.length; length += 7)
    await assert.rejects(peerOfCertificate(raw.subarray(0, length)))
  for (let round = 0; round < 400; round++) {
    const damaged = Buffer.from(raw)
    damaged[randomInt(damaged.length)]! ^= 1 << randomInt(8)
    const mine = await peerOfCertificate(damaged).catch(() => undefined)
    if (mine === undefined) continue
    assert.ok(mine.equals(peer))
    assert.ok((await verifyPeerCertificate(damaged)).equals(peer))
  }
  await assert.rejects(peerOfCertificate(Buffer.alloc(8193)), /at most 8192/)
})
