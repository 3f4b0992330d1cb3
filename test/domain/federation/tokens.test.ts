import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { FEDERATION_LIMITS } from '../../../protocol/federation.ts'
import { type PartnerRecord, Partners } from '../../../src/domain/federation/partners.ts'
import { FederationTokens } from '../../../src/domain/federation/tokens.ts'
import { toBase64Url, utf8 } from '../../../src/kernel/base/bytes.ts'
import { ProviderError } from '../../../src/kernel/base/errors.ts'
import { openKeyDirectory } from '../../../src/kernel/identity/key-directory.ts'
import { Store } from '../../../src/kernel/storage/store.ts'
import { NETWORK, TestClock, temporaryFolder } from '../../support/cells.ts'

const TYPE = 'cytoplex-federation+jwt'
const addition = (
  id: string,
  generation: number,
  more: Partial<PartnerRecord> = {},
): Omit<PartnerRecord, 'added_at'> => ({
  provider_id: id,
  name: id,
  url: 'https://partner.example',
  private_url: false,
  contact_info: {},
  trust_level: 'limited',
  federation_policies: { auto_forward: false, capability_sharing: true, analytics_sharing: false },
  generation,
  joined_by: 'document',
  publisher: null,
  key: null,
  token: null,
  addresses: [],
  ...more,
})
const silent = { replace: false, witness: () => undefined }

async function open(t: TestContext) {
  const folder = await temporaryFolder(t)
  const clock = new TestClock()
  const store = await Store.open(join(folder, 'store'), { createIfMissing: true })
  t.after(() => store.close())
  const keysIn = (name: string) => openKeyDirectory(join(folder, name), { network: NETWORK, allowCreate: true, clock })
  const keys = keysIn('keys')
  const partners = new Partners(store, clock)
  const changes: string[] = []
  await partners.load((id) => changes.push(id))
  const tokens = new FederationTokens({ self: keys.providerId, token: keys.token, partners, clock })
  return { clock, store, keys, stranger: keysIn('stranger'), partners, tokens, changes }
}

const refuses = (promise: Promise<unknown>, name?: string) =>
  assert.rejects(promise, (error) => error instanceof ProviderError && error.code === 'PROV_016', name)

test('a token is recognised until its end, and until its partner is removed', async (t) => {
  const { clock, partners, tokens } = await open(t)
  const partner = await partners.add(addition('p', await partners.nextGeneration()), silent)
  const token = await tokens.issue(partner)
  assert.equal((await tokens.partnerOf(token)).provider_id, 'p')
  clock.advance(FEDERATION_LIMITS.tokenMs - 1000)
  await tokens.partnerOf(token)
  clock.advance(1001)
  await refuses(tokens.partnerOf(token))

  const fresh = await tokens.issue(partner)
  await tokens.partnerOf(fresh)
  const removing = partners.remove('p', () => undefined)
  // At once, before it is durable.
  await refuses(tokens.partnerOf(fresh))
  await removing
  const again = await partners.add(addition('p', await partners.nextGeneration()), silent)
  await refuses(tokens.partnerOf(fresh), 'a token of the partnership before')
  await tokens.partnerOf(await tokens.issue(again))
})

test('a token that says anything else is refused', async (t) => {
  const { clock, keys, stranger, partners, tokens } = await open(t)
  const key = toBase64Url(stranger.token.key.publicKey)
  const { generation } = await partners.add(addition('p', await partners.nextGeneration(), { key }), silent)
  const self = keys.providerId
  const exp = Math.floor(clock.now() / 1000) + 60
  const cnf = { jwk: { kty: 'OKP', crv: 'Ed25519', x: key } }
  const claims = { iss: self, aud: self, sub: 'p', gen: generation, exp, cnf }
  await tokens.partnerOf(await keys.token.jwt.sign(TYPE, claims))
  for (const [name, change] of Object.entries({
    issuer: { iss: stranger.providerId },
    audience: { aud: stranger.providerId },
    'no audience': { aud: undefined },
    subject: { sub: 'q' },
    'no subject': { sub: undefined },
    generation: { gen: generation + 1 },
    'no generation': { gen: undefined },
    'generation as text': { gen: String(generation) },
    expired: { exp: exp - 61 },
    'no end': { exp: undefined },
    'another key': { cnf: { jwk: { ...cnf.jwk, x: toBase64Url(keys.token.key.publicKey) } } },
    'no key': { cnf: undefined },
  })) {
    const changed = JSON.parse(JSON.stringify({ ...claims, ...change })) as typeof claims
    await refuses(tokens.partnerOf(await keys.token.jwt.sign(TYPE, changed)), name)
  }
  await refuses(tokens.partnerOf(await stranger.token.jwt.sign(TYPE, claims)), 'signed by somebody else')
  await refuses(tokens.partnerOf(await keys.token.jwt.sign('session+jwt', claims)), 'of another kind')

  const part = (value: object): string => toBase64Url(utf8(JSON.stringify(value)))
  const [header, body, signature] = (await keys.token.jwt.sign(TYPE, claims)).split('.') as [string, string, string]
  for (const token of [
    `${part({ alg: 'none', typ: TYPE })}.${body}.`,
    `${part({ alg: 'none', typ: TYPE })}.${body}.${signature}`,
    `${part({ alg: 'HS256', typ: TYPE })}.${body}.${signature}`,
    `${header}.${part({ ...claims, sub: 'q' })}.${signature}`,
    `${header}.${body}`,
    '',
    'eyJ.eyJ.x',
  ]) {
    await refuses(tokens.partnerOf(token), token)
  }
})

test('partners are there once, survive a restart, and every change is told', async (t) => {
  const { clock, store, partners, changes } = await open(t)
  const generation = await partners.nextGeneration()
  const witnessed: string[] = []
  const witness = (_tx: unknown, partner: PartnerRecord) => witnessed.push(partner.trust_level)
  await partners.add(addition('p', generation, { token: 'ours' }), { replace: false, witness })
  await assert.rejects(
    partners.add(addition('p', generation), { replace: false, witness }),
    (error) => error instanceof ProviderError && error.status === 409,
  )
  const change = { trust_level: 'trusted', federation_policies: { auto_forward: true } } as const
  const changed = await partners.change('p', change, witness)
  assert.deepEqual(changed.federation_policies, {
    auto_forward: true,
    capability_sharing: true,
    analytics_sharing: false,
  })
  assert.equal(changed.token, 'ours')
  assert.deepEqual(witnessed, ['limited', 'trusted'])
  const restarted = new Partners(store, clock)
  await restarted.load(() => undefined)
  assert.deepEqual(restarted.list(), [changed])
  assert.ok((await restarted.nextGeneration()) > generation)
  // What cannot be logged does not happen.
  await assert.rejects(
    partners.remove('p', () => {
      throw new Error('the log is full')
    }),
    /the log is full/,
  )
  assert.deepEqual(partners.get('p'), changed)
  await partners.remove('p', witness)
  assert.equal(partners.get('p'), undefined)
  for (const missing of [partners.remove('p', witness), partners.change('p', change, witness)]) {
    await assert.rejects(missing, (error) => error instanceof ProviderError && error.code === 'PROV_010')
  }
  assert.deepEqual(changes, ['p', 'p', 'p', 'p', 'p', 'p'])
})
