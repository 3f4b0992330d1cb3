import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { chmod, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { createSecureContext } from 'node:tls'
import { StartError } from '../../../src/kernel/base/errors.ts'
import { selfSignedCertificate } from '../../../src/kernel/identity/http-certificate.ts'
import { temporaryFolder } from '../../support/folders.ts'

const DAY = 24 * 60 * 60 * 1000
const NOW = Date.UTC(2026, 0, 1)
const NAMES = ['localhost', 'node.example', '127.0.0.1', '::1']
const make = (dir: string, { now = NOW, names = NAMES } = {}) => selfSignedCertificate(dir, names, { now: () => now })

test('a certificate is for the names and addresses that it was made for, and signed with its own key', async (t) => {
  const { cert, key } = await make(await temporaryFolder(t))
  const certificate = new X509Certificate(cert)
  for (const name of ['localhost', 'node.example']) assert.equal(certificate.checkHost(name), name)
  for (const address of ['127.0.0.1', '::1']) assert.equal(certificate.checkIP(address), address)
  assert.equal(certificate.checkHost('other.example'), undefined)
  assert.ok(certificate.verify(certificate.publicKey))
  assert.equal(certificate.ca, false)
  assert.equal(Date.parse(certificate.validFrom), NOW - DAY)
  assert.equal(Date.parse(certificate.validTo), NOW + 365 * DAY)
  createSecureContext({ cert, key })
})

test('it is kept for its owner alone, and used again', async (t) => {
  const dir = await temporaryFolder(t)
  const first = await make(dir)
  const [name] = await readdir(dir)
  assert.equal((await stat(join(dir, name!))).mode & 0o777, 0o600)
  const { cert, key } = await make(dir, { now: NOW + 334 * DAY })
  assert.deepEqual([cert, key], [first.cert, first.key])
  assert.equal((await make(dir, { names: [...NAMES].reverse() })).cert, first.cert)
})

test('it is made anew thirty days before its end, and for other names', async (t) => {
  const dir = await temporaryFolder(t)
  const first = await make(dir)
  const renewed = await make(dir, { now: NOW + 335 * DAY })
  assert.notEqual(renewed.cert, first.cert)
  assert.equal(Date.parse(new X509Certificate(renewed.cert).validTo), NOW + 700 * DAY)
  const serials = [first, renewed].map(({ cert }) => new X509Certificate(cert).serialNumber)
  assert.notEqual(serials[0], serials[1])
  const other = await make(dir, { now: NOW + 335 * DAY, names: ['other.example'] })
  assert.equal(new X509Certificate(other.cert).checkHost('other.example'), 'other.example')
})

test('a file that others may read, or that is damaged, is a reason not to start', async (t) => {
  const dir = await temporaryFolder(t)
  await make(dir)
  const file = join(dir, 'http-certificate.json')
  await chmod(file, 0o644)
  await assert.rejects(make(dir), (error) => error instanceof StartError && /chmod 600/.test(error.message))
  await chmod(file, 0o600)
  await writeFile(file, '{"format":1')
  await assert.rejects(make(dir), (error) => error instanceof StartError && /corrupt/.test(error.message))
  const empty = { format: 1, names: NAMES, not_after: NOW + 300 * DAY, cert: 'none', key: 'none' }
  await writeFile(file, JSON.stringify(empty))
  await assert.rejects(make(dir), (error) => error instanceof StartError && /holds no certificate/.test(error.message))
})
