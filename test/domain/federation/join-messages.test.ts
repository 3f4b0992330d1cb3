import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkMessage, signMessage } from '../../../src/domain/federation/join-messages.ts'
import { ProviderError } from '../../../src/kernel/base/errors.ts'
import { openKeyDirectory } from '../../../src/kernel/identity/key-directory.ts'
import { NETWORK, TestClock, temporaryFolder } from '../../support/cells.ts'

test('a message counts for whom it is meant, signed by a token key that its speaker certified', async (t) => {
  const folder = await temporaryFolder(t)
  const clock = new TestClock()
  const keysIn = (name: string) => openKeyDirectory(join(folder, name), { network: NETWORK, allowCreate: true, clock })
  const [a, b, c] = [keysIn('a'), keysIn('b'), keysIn('c')]
  const body = { type: 'join_hello', provider_id: a.providerId, audience: b.providerId, nonce: 'n' }
  const message = signMessage(a.token, NETWORK, body)
  checkMessage(NETWORK, message, b.providerId, clock.now())

  const year = 366 * 24 * 60 * 60 * 1000
  const refused: Record<string, () => void> = {
    'meant for another': () => checkMessage(NETWORK, message, c.providerId, clock.now()),
    readdressed: () => checkMessage(NETWORK, { ...message, audience: c.providerId }, c.providerId, clock.now()),
    'of another network': () => checkMessage('other', message, b.providerId, clock.now()),
    'with another field': () => checkMessage(NETWORK, { ...message, ...{ nonce: 'm' } }, b.providerId, clock.now()),
    'with a field more': () => checkMessage(NETWORK, { ...message, ...{ url: 'x' } }, b.providerId, clock.now()),
    'in the name of another': () =>
      checkMessage(NETWORK, signMessage(c.token, NETWORK, body), b.providerId, clock.now()),
    "with another's certificate": () =>
      checkMessage(NETWORK, { ...message, certificate: c.token.certificate }, b.providerId, clock.now()),
    'by the wire key': () => checkMessage(NETWORK, signMessage(a.wire, NETWORK, body), b.providerId, clock.now()),
    'after the certificate has expired': () => checkMessage(NETWORK, message, b.providerId, clock.now() + year),
  }
  for (const [name, check] of Object.entries(refused)) {
    assert.throws(check, (error) => error instanceof ProviderError && error.code === 'PROV_011', name)
  }
})
