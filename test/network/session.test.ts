import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CONTEXTS } from '../../protocol/contexts.ts'
import { LIMITS } from '../../protocol/limits.ts'
import { SMALL_ORDER } from '../../scripts/vectors/handshake.ts'
import { toBase64Url } from '../../src/kernel/base/bytes.ts'
import { ephemeralKey } from '../../src/kernel/identity/key-agreement.ts'
import { signObject } from '../../src/kernel/identity/keys.ts'
import { issueRoleCertificate } from '../../src/kernel/identity/role-certificate.ts'
import { answerHandshake, HandshakeError, openHandshake, type WireIdentity } from '../../src/network/session.ts'
import { peerSession } from '../../src/network/session-key.ts'
import { NETWORK, newIdentity, wireIdentity } from './nodes.ts'

const a = newIdentity()
const b = newIdentity()

function shake(
  opener: WireIdentity,
  other: WireIdentity,
  openerSees = other.providerId,
  otherSees = opener.providerId,
) {
  const { challenge, finish } = openHandshake(opener, openerSees)
  const { response, session } = answerHandshake(other, otherSees, Buffer.from(challenge))
  return { mine: finish(Buffer.from(response)), theirs: session, challenge, response, finish }
}

/** `a`, with a certificate that differs. */
function withCertificate(changes: Partial<Parameters<typeof issueRoleCertificate>[0]>): WireIdentity {
  const day = 24 * 3600 * 1000
  const certificate = issueRoleCertificate({
    identity: a.identity,
    network: NETWORK,
    role: 'wire',
    publicKey: a.wire.key.publicKey,
    serial: 1,
    notBefore: Date.now() - day,
    notAfter: Date.now() + day,
    ...changes,
  })
  return { ...wireIdentity(a), certificate }
}

/** A message with other members, signed again by `signer`. */
function resigned(text: string, changes: object, signer = a): Buffer {
  const message = { ...JSON.parse(text), ...changes }
  return Buffer.from(
    JSON.stringify({ ...message, signature: signObject(signer.wire.key, NETWORK, CONTEXTS.handshake, message) }),
  )
}

describe('handshake', () => {
  it('gives both ends one key, fresh each time, and one key for each use of it', () => {
    const { mine, theirs } = shake(wireIdentity(a), wireIdentity(b))
    assert.deepEqual(mine.key, theirs.key)
    assert.equal(mine.key.length, 32)
    assert.notDeepEqual(shake(wireIdentity(a), wireIdentity(b)).mine.key, mine.key)
    const [one, other] = [mine, theirs].map(({ id, key }) => peerSession(id, key, NETWORK))
    assert.deepEqual(one!.derive('sync'), other!.derive('sync'))
    assert.notDeepEqual(one!.derive('sync'), one!.derive('other'))
    assert.notDeepEqual(one!.derive('sync'), mine.key)
    assert.notDeepEqual(one!.derive('sync'), peerSession(mine.id, mine.key, 'other').derive('sync'))
  })

  it('fails when somebody between the two puts in a key of their own', () => {
    const between = ephemeralKey()
    const ephemeral_key = toBase64Url(between.publicKey)
    const { challenge, response, finish } = shake(wireIdentity(a), wireIdentity(b))
    const put = (text: string) => Buffer.from(JSON.stringify({ ...JSON.parse(text), ephemeral_key }))
    assert.throws(() => answerHandshake(wireIdentity(b), a.providerId, put(challenge)), /its signature is wrong/)
    assert.throws(() => finish(put(response)), /its signature is wrong/)
    // Signing with a key of their own does not help: the identity certified another one.
    const mallory = newIdentity()
    assert.throws(
      () => answerHandshake(wireIdentity(b), a.providerId, resigned(challenge, { ephemeral_key }, mallory)),
      /its signature is wrong/,
    )
    assert.throws(() => finish(resigned(response, { ephemeral_key }, mallory)), /its signature is wrong/)
  })

  it('fails when any member is changed', () => {
    const { challenge, response, finish } = shake(wireIdentity(a), wireIdentity(b))
    const changes = {
      recipient_id: newIdentity().providerId,
      timestamp: Date.now() + 1,
      nonce: toBase64Url(new Uint8Array(32)),
      ephemeral_key: toBase64Url(ephemeralKey().publicKey),
      challenge: '0'.repeat(64),
      signature: toBase64Url(new Uint8Array(64)),
    }
    for (const [member, value] of Object.entries(changes)) {
      const changed = (text: string) => Buffer.from(JSON.stringify({ ...JSON.parse(text), [member]: value }))
      assert.throws(() => finish(changed(response)), HandshakeError, `response ${member}`)
      assert.throws(
        () => answerHandshake(wireIdentity(b), a.providerId, changed(challenge)),
        HandshakeError,
        `challenge ${member}`,
      )
    }
  })

  it('fails with the answer to another challenge, with a challenge for another node, and with a reflected one', () => {
    const first = shake(wireIdentity(a), wireIdentity(b))
    const second = openHandshake(wireIdentity(a), b.providerId)
    assert.throws(() => second.finish(Buffer.from(first.response)), /to another challenge/)
    const c = newIdentity()
    assert.throws(() => answerHandshake(wireIdentity(c), a.providerId, Buffer.from(first.challenge)), /is meant for/)
    assert.throws(
      () => answerHandshake(wireIdentity(a), b.providerId, Buffer.from(first.challenge)),
      /but the connection is to/,
    )
    assert.throws(() => second.finish(Buffer.from(second.challenge)), HandshakeError)
  })

  it('makes another session and another key of a challenge that is repeated', () => {
    const { challenge, theirs } = shake(wireIdentity(a), wireIdentity(b))
    const { session } = answerHandshake(wireIdentity(b), a.providerId, Buffer.from(challenge))
    assert.notEqual(session.id, theirs.id)
    assert.notDeepEqual(session.key, theirs.key)
  })

  it('refuses keys of small order, although their owner signed them', () => {
    const { challenge, response, finish } = shake(wireIdentity(a), wireIdentity(b))
    for (const hex of SMALL_ORDER) {
      const ephemeral_key = Buffer.from(hex, 'hex').toString('base64url')
      const frame = resigned(challenge, { ephemeral_key })
      assert.throws(() => answerHandshake(wireIdentity(b), a.providerId, frame), /small order/, hex)
      assert.throws(() => finish(resigned(response, { ephemeral_key }, b)), /small order/, hex)
    }
  })

  it('gives both ends one session and the other’s certified key', () => {
    const { mine, theirs } = shake(wireIdentity(a), wireIdentity(b))
    assert.equal(mine.id, theirs.id)
    assert.match(mine.id, /^[0-9a-f]{64}$/)
    assert.deepEqual(Buffer.from(mine.remoteKey), Buffer.from(b.wire.key.publicKey))
    assert.deepEqual(Buffer.from(theirs.remoteKey), Buffer.from(a.wire.key.publicKey))
    assert.notEqual(shake(wireIdentity(a), wireIdentity(b)).mine.id, mine.id)
  })

  it('refuses certificates that do not prove what the transport says', () => {
    const day = 24 * 3600 * 1000
    const cases: [string, WireIdentity][] = [
      ['of another network', withCertificate({ network: 'other' })],
      ['of another node', { ...wireIdentity(a), certificate: b.wire.certificate }],
      ['for another role', withCertificate({ role: 'cells' })],
      ['that is over', withCertificate({ notBefore: Date.now() - 3 * day, notAfter: Date.now() - day })],
      ['that has not begun', withCertificate({ notBefore: Date.now() + day, notAfter: Date.now() + 2 * day })],
      [
        'with a changed key',
        { ...wireIdentity(a), certificate: { ...a.wire.certificate, public_key: b.wire.certificate.public_key } },
      ],
    ]
    for (const [name, self] of cases) {
      assert.throws(() => shake(self, wireIdentity(b)), HandshakeError, `challenge ${name}`)
      assert.throws(() => shake(wireIdentity(b), self), HandshakeError, `response ${name}`)
    }
  })

  it('refuses a sender other than the connection’s peer, and clocks too far apart', () => {
    const other = newIdentity()
    assert.throws(
      () => shake(wireIdentity(a), wireIdentity(b), undefined, other.providerId),
      /but the connection is to/,
    )
    assert.throws(() => shake(wireIdentity(a), wireIdentity(b), other.providerId), /is meant for/)
    const { finish } = openHandshake(wireIdentity(a), other.providerId)
    assert.throws(() => finish(Buffer.from(shake(wireIdentity(a), wireIdentity(b)).response)), /but the connection is/)
    const late = { now: () => Date.now() + LIMITS.clockSkewMs + 5000 }
    assert.throws(() => shake({ ...wireIdentity(a), clock: late }, wireIdentity(b)), /clock differs/)
  })

  it('refuses short nonces, extra members and what is no handshake', () => {
    const { challenge } = openHandshake(wireIdentity(a), b.providerId)
    const message = JSON.parse(challenge)
    for (const changed of [
      { ...message, nonce: 'AAAA' },
      { ...message, extra: 1 },
      { ...message, type: 'handshake_response' },
      7,
      null,
    ]) {
      const frame = Buffer.from(JSON.stringify(changed))
      assert.throws(() => answerHandshake(wireIdentity(b), a.providerId, frame), HandshakeError)
    }
    assert.throws(() => answerHandshake(wireIdentity(b), a.providerId, Buffer.from('{')), HandshakeError)
  })
})
