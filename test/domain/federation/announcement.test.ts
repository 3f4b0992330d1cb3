import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Announcement } from '../../../protocol/announcement.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { readAnnouncement, signAnnouncement } from '../../../src/domain/federation/announcement.ts'
import { providerIdOf } from '../../../src/kernel/identity/ids.ts'
import { ed25519FromSeed, newSeed, type SigningKey } from '../../../src/kernel/identity/keys.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'
import { NETWORK } from '../../support/cells.ts'

const NOW = Date.UTC(2026, 0, 1)
const MINUTE_MS = 60_000
const identity = ed25519FromSeed(newSeed())
const other = ed25519FromSeed(newSeed())

const CELL = {
  manifest_digest: 'a'.repeat(64),
  publisher: 'b'.repeat(64),
  cell_type: 'parser',
  version: '1.0.0',
  capabilities: [{ name: 'parse', version: '1.0.0' }],
}

const announce = (overrides: Partial<Announcement> = {}, key: SigningKey = identity, network = NETWORK) =>
  signAnnouncement(key, network, {
    provider_id: providerIdOf(identity.publicKey),
    page: 0,
    sequence: NOW,
    expires_at: NOW + MINUTE_MS,
    addresses: ['/ip4/192.0.2.1/tcp/9000'],
    cells: [CELL],
    ...overrides,
  })

const read = (content: object | string, now = NOW) =>
  readAnnouncement(new TextEncoder().encode(typeof content === 'string' ? content : JSON.stringify(content)), {
    network: NETWORK,
    verifier: nativeVerifier,
    now,
  })

const rejected = (reason: string) => ({ verdict: 'reject', reason })
const ignored = (reason: string) => ({ verdict: 'ignore', reason })

describe('an announcement', () => {
  it('that its provider signed is read as it is', () => {
    const announcement = announce()
    assert.deepEqual(read(announcement), announcement)
    const withdrawal = announce({ cells: [] })
    assert.deepEqual(read(withdrawal), withdrawal)
  })

  it("of another's key, or for another network, is rejected", () => {
    assert.deepEqual(read(announce({}, other)), rejected('signature'))
    assert.deepEqual(read(announce({}, identity, 'main')), rejected('signature'))
    assert.deepEqual(read({ ...announce(), provider_id: providerIdOf(other.publicKey) }), rejected('signature'))
    assert.deepEqual(read({ ...announce(), provider_id: '1'.repeat(50) }), rejected('signature'))
  })

  it('with anything changed after signing is rejected', () => {
    const announcement = announce()
    const changes: Partial<Announcement>[] = [
      { page: 1 },
      { sequence: NOW + 1 },
      { expires_at: NOW + 2 * MINUTE_MS },
      { addresses: [] },
      { cells: [] },
      { cells: [{ ...CELL, version: '1.0.1' }] },
      { cells: [CELL, CELL] },
      { signature: announce({ page: 2 }).signature },
      { signature: 'AAAA' },
    ]
    for (const change of changes) {
      assert.deepEqual(read({ ...announcement, ...change }), rejected('signature'), JSON.stringify(change))
    }
  })

  it('of another form is rejected', () => {
    const valid = announce()
    const forms: (object | string)[] = [
      '',
      'null',
      '{"type":"announcement"',
      JSON.stringify(valid).replace('{', '{"page":0,'),
      { ...valid, more: 1 },
      { ...valid, page: -1 },
      { ...valid, page: 0.5 },
      { ...valid, sequence: -1 },
      { ...valid, cells: [{ ...CELL, cell_type: 'Upper' }] },
      { ...valid, cells: [{ ...CELL, capabilities: [] }] },
      { ...valid, cells: Array.from({ length: LIMITS.announcementCells + 1 }, () => CELL) },
      { ...valid, addresses: Array.from({ length: LIMITS.announcementAddresses + 1 }, () => '/ip4/192.0.2.1') },
    ]
    for (const form of forms) assert.deepEqual(read(form), rejected('schema'), JSON.stringify(form).slice(0, 80))
  })

  it('that is too large is rejected before it is parsed', () => {
    assert.deepEqual(read(' '.repeat(LIMITS.announcementBytes + 1)), rejected('size'))
    assert.deepEqual(read(' '.repeat(LIMITS.announcementBytes)), rejected('schema'))
  })

  it('from the future is ignored: clocks differ', () => {
    const at = (ahead: number) => announce({ sequence: NOW + ahead, expires_at: NOW + ahead + MINUTE_MS })
    assert.deepEqual(read(at(LIMITS.clockSkewMs + 1)), ignored('future'))
    assert.ok('cells' in read(at(LIMITS.clockSkewMs)))
  })

  it('that has expired is ignored', () => {
    assert.deepEqual(read(announce(), NOW + MINUTE_MS), ignored('expired'))
    assert.ok('cells' in read(announce(), NOW + MINUTE_MS - 1))
  })

  it('that lives too long, or not at all, is rejected', () => {
    const living = (ms: number) => read(announce({ expires_at: NOW + ms }))
    assert.ok('cells' in living(LIMITS.announcementLifetimeMs))
    assert.deepEqual(living(LIMITS.announcementLifetimeMs + 1), rejected('lifetime'))
    assert.deepEqual(living(0), rejected('lifetime'))
    assert.deepEqual(living(-1), rejected('lifetime'))
  })
})
