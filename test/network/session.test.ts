import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LIMITS } from '../../protocol/limits.ts'
import { issueRoleCertificate } from '../../src/kernel/identity/role-certificate.ts'
import { answerHandshake, HandshakeError, openHandshake, type WireIdentity } from '../../src/network/session.ts'
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

describe('handshake', () => {
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
