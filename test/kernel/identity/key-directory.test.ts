import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { toBase64Url } from '../../../src/kernel/base/bytes.ts'
import { StartError } from '../../../src/kernel/base/errors.ts'
import { nodeIdOf, publicKeyOf } from '../../../src/kernel/identity/ids.ts'
import { keyDirectoryState, openKeyDirectory } from '../../../src/kernel/identity/key-directory.ts'
import { ed25519FromSeed, newSeed } from '../../../src/kernel/identity/keys.ts'
import { verifyRoleCertificate } from '../../../src/kernel/identity/roles.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'

const DAY = 24 * 60 * 60 * 1000
const NOW = 1_800_000_000_000
const FILES = ['identity.json', 'publisher.json', 'roles.json']

const root = await mkdtemp(join(tmpdir(), 'cytoplex-keys-'))
after(() => rm(root, { recursive: true }))
let count = 0
const newDir = () => join(root, `${count++}`, 'keys')
const open = (dir: string, { now = NOW, ...options }: { now?: number; allowCreate?: boolean; network?: string } = {}) =>
  openKeyDirectory(dir, { network: 'test', allowCreate: true, clock: { now: () => now }, ...options })

const refuses = (dir: string, message: RegExp, options = {}) =>
  assert.throws(
    () => open(dir, options),
    (error) => {
      assert.ok(error instanceof StartError, String(error))
      assert.match(error.message, message)
      return true
    },
  )

test('keys are created once, for their owner alone, and opened again', async () => {
  const dir = newDir()
  assert.equal(keyDirectoryState(dir), 'absent')
  const created = open(dir)
  assert.equal(keyDirectoryState(dir), 'present')
  assert.deepEqual((await readdir(dir)).sort(), FILES)
  assert.equal((await stat(dir)).mode & 0o777, 0o700)
  for (const name of FILES) assert.equal((await stat(join(dir, name))).mode & 0o777, 0o600, name)

  const opened = open(dir, { allowCreate: false, now: NOW + DAY })
  assert.equal(opened.providerId, created.providerId)
  assert.equal(opened.publisher.publisher, created.publisher.publisher)
  assert.deepEqual(opened.wire.certificate, created.wire.certificate)
  assert.deepEqual(opened.identitySeed, created.identitySeed)
})

test('the keys belong together', () => {
  const { identity, identitySeed, providerId, nodeId, wire, publisher } = open(newDir())
  assert.deepEqual(publicKeyOf(providerId), identity.publicKey)
  assert.deepEqual(ed25519FromSeed(identitySeed).publicKey, identity.publicKey)
  assert.equal(nodeId, nodeIdOf(identity.publicKey))
  assert.equal(publisher.record.kind, 'provider')
  const expected = { providerId, role: 'wire', now: NOW } as const
  assert.deepEqual(verifyRoleCertificate(nativeVerifier, 'test', wire.certificate, expected), wire.key.publicKey)
  assert.equal(wire.certificate.not_after - wire.certificate.not_before, 365 * DAY)
})

test('every role has a key of its own', () => {
  const { identity, wire, publisher } = open(newDir())
  const keys = [
    toBase64Url(identity.publicKey),
    toBase64Url(wire.key.publicKey),
    publisher.record.signing_keys[0]!.public_key,
  ]
  assert.equal(new Set(keys).size, 3)
})

test('two directories hold different keys', () => {
  assert.notEqual(open(newDir()).providerId, open(newDir()).providerId)
})

test('without permission nothing is created', () => {
  const dir = newDir()
  refuses(dir, /holds no keys$/, { allowCreate: false })
  assert.equal(keyDirectoryState(dir), 'absent')
})

test('the wire key is replaced when less than 30 days are left, with the next serial', () => {
  const dir = newDir()
  const first = open(dir).wire
  const kept = open(dir, { now: NOW + 335 * DAY }).wire
  assert.deepEqual(kept.certificate, first.certificate)
  const now = NOW + 335 * DAY + 1
  const renewed = open(dir, { now }).wire
  assert.equal(renewed.certificate.serial, first.certificate.serial + 1)
  assert.notDeepEqual(renewed.key.publicKey, first.key.publicKey)
  assert.equal(renewed.certificate.not_before, now)
  assert.deepEqual(open(dir, { now: now + DAY }).wire.certificate, renewed.certificate)
})

test('while the node runs, the wire key is certified anew in time, and a restart finds that certificate', () => {
  const dir = newDir()
  let now = NOW
  const clock = { now: () => now }
  const { wire, providerId } = openKeyDirectory(dir, { network: 'test', allowCreate: true, clock })
  const first = wire.certificate
  now = NOW + 335 * DAY
  assert.equal(wire.certificate, first)
  now += 1
  const renewed = wire.certificate
  assert.equal(renewed.public_key, first.public_key)
  assert.equal(renewed.serial, first.serial + 1)
  assert.deepEqual(
    verifyRoleCertificate(nativeVerifier, 'test', renewed, { providerId, role: 'wire', now }),
    wire.key.publicKey,
  )
  assert.deepEqual(open(dir, { now }).wire.certificate, renewed)
})

test('a wire key from the future, made by a clock that was wrong, is replaced', () => {
  const dir = newDir()
  open(dir, { now: NOW + 100 * DAY })
  assert.equal(open(dir).wire.certificate.not_before, NOW)
})

test('the certificate is for the network that was asked for', () => {
  const dir = newDir()
  const { providerId } = open(dir)
  const { certificate } = open(dir, { network: 'other' }).wire
  const expected = { providerId, role: 'wire', now: NOW } as const
  assert.ok(verifyRoleCertificate(nativeVerifier, 'other', certificate, expected))
  assert.throws(() => verifyRoleCertificate(nativeVerifier, 'test', certificate, expected), /is not signed/)
})

test('a missing file is named, and never made anew', async () => {
  for (const name of FILES) {
    const dir = newDir()
    open(dir)
    await rm(join(dir, name))
    refuses(dir, new RegExp(`${name} is missing; restore it from a backup`))
    assert.equal(keyDirectoryState(dir), 'present')
    assert.ok(!(await readdir(dir)).includes(name))
  }
})

test('corrupt files are refused with the reason, and secrets are not repeated', async () => {
  const seed = toBase64Url(newSeed())
  const provider_id = open(newDir()).providerId
  const cases: [string, string, RegExp][] = [
    ['identity.json', '', /not valid JSON/],
    ['identity.json', `{"seed":"${seed}"`, /not valid JSON/],
    ['identity.json', `{"seed":"${seed}","seed":"${seed}"}`, /not valid JSON/],
    ['identity.json', '\0\0\0\0', /not valid JSON/],
    ['identity.json', '[]', /identity\.json is no key file, or is corrupt/],
    ['identity.json', JSON.stringify({ format: 2, seed, provider_id }), /it\.format must be 1/],
    ['identity.json', JSON.stringify({ format: 1, seed: 'AAAA', provider_id }), /its seed has 3 bytes, expected 32/],
    ['identity.json', JSON.stringify({ format: 1, seed: seed.slice(1, -1), provider_id }), /its seed is not base64url/],
    [
      'identity.json',
      JSON.stringify({ format: 1, seed, provider_id }),
      /names the provider .*, but its seed is that of/,
    ],
    ['identity.json', JSON.stringify({ format: 1, seed, provider_id, more: 1 }), /unknown fields: more/],
    ['roles.json', '{}', /roles\.json is no key file, or is corrupt: it lacks format, wire/],
    [
      'roles.json',
      JSON.stringify({ format: 1, wire: { seed, serial: 0, not_before: 0, not_after: 1 } }),
      /it\.wire\.serial/,
    ],
    ['publisher.json', '{}', /publisher\.json is no key file, or is corrupt/],
  ]
  for (const [name, content, reason] of cases) {
    const dir = newDir()
    open(dir)
    await writeFile(join(dir, name), content)
    refuses(dir, reason)
    assert.throws(
      () => open(dir),
      (error: Error) => !error.message.includes(seed.slice(0, 6)),
    )
    assert.equal(await readFile(join(dir, name), 'utf8'), content, 'the file is left as it was')
  }
})

test('the keys of a publisher are no keys of a provider', async () => {
  const dir = newDir()
  open(dir)
  const path = join(dir, 'publisher.json')
  const { createPublisherKeys } = await import('../../../src/kernel/identity/manifest-signer.ts')
  await writeFile(path, JSON.stringify(createPublisherKeys({ kind: 'publisher' })))
  refuses(dir, /those of a provider are expected here/)
})

test('permissions that are too open are refused, and the remedy named', async () => {
  for (const name of FILES) {
    const dir = newDir()
    open(dir)
    await chmod(join(dir, name), 0o644)
    refuses(dir, new RegExp(`${name} holds secrets but has mode 644; run: chmod 600 .*${name}$`))
  }
  const dir = newDir()
  open(dir)
  await chmod(dir, 0o755)
  refuses(dir, /holds secrets but has mode 755; run: chmod 700 .*keys$/)
})

test('an empty directory is filled when it is private, and refused when it is not', async () => {
  const dir = newDir()
  await mkdir(dir, { recursive: true, mode: 0o700 })
  assert.ok(open(dir).providerId)
  const shared = newDir()
  await mkdir(shared, { recursive: true })
  await chmod(shared, 0o755)
  refuses(shared, /chmod 700/)
  assert.deepEqual(await readdir(shared), [])
})

test('a file in the place of the directory is a reason not to start', async () => {
  const path = join(root, 'a-file')
  await writeFile(path, 'x')
  refuses(path, /keys cannot be created in .*a-file/)
})

test('a creation that was interrupted before any name was given starts anew', async () => {
  const dir = newDir()
  const lost = open(dir)
  for (const name of FILES) await rename(join(dir, name), join(dir, `${name}.new`))
  await writeFile(join(dir, 'publisher.json.new'), '{"torn')
  assert.equal(keyDirectoryState(dir), 'absent')
  refuses(dir, /holds no keys/, { allowCreate: false })
  assert.notEqual(open(dir).providerId, lost.providerId)
  assert.deepEqual((await readdir(dir)).sort(), FILES)
})

test('a creation that was interrupted while names were given is completed', async () => {
  for (const unnamed of [['identity.json'], ['identity.json', 'roles.json']]) {
    const dir = newDir()
    const { providerId } = open(dir)
    for (const name of unnamed) await rename(join(dir, name), join(dir, `${name}.new`))
    assert.equal(keyDirectoryState(dir), 'present')
    assert.equal(open(dir, { allowCreate: false }).providerId, providerId)
    assert.deepEqual((await readdir(dir)).sort(), FILES)
  }
})

test('a renewal that was interrupted leaves the old key in force', async () => {
  const dir = newDir()
  const { certificate } = open(dir).wire
  await writeFile(join(dir, 'roles.json.new'), '{"torn')
  assert.deepEqual(open(dir).wire.certificate, certificate)
  assert.equal(open(dir, { now: NOW + 350 * DAY }).wire.certificate.serial, 2)
  assert.deepEqual((await readdir(dir)).sort(), FILES)
})
