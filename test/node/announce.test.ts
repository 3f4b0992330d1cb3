import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import pino from 'pino'
import type { AnnouncedCell, Announcement } from '../../protocol/announcement.ts'
import { Directory } from '../../src/domain/federation/directory.ts'
import { loadConfig } from '../../src/kernel/config/load.ts'
import { Store } from '../../src/kernel/storage/store.ts'
import { Announcer } from '../../src/node/flows/announce.ts'
import { newIdentity } from '../network/nodes.ts'
import { NETWORK, TestClock, temporaryFolder } from '../support/cells.ts'
import { NO_YANKS } from '../support/yanks.ts'

const LIFETIME_MS = 60_000
const cell: AnnouncedCell = {
  manifest_digest: '0'.repeat(64),
  publisher: '1'.repeat(64),
  cell_type: 'parser',
  version: '1.0.0',
  capabilities: [{ name: 'parse', version: '1.0.0' }],
}

/** An announcer of `pages`, and a network that records, or fails as often as told. */
async function open(t: TestContext, pages: AnnouncedCell[][], env: Record<string, string> = {}) {
  const clock = new TestClock()
  const store = await Store.open(join(await temporaryFolder(t), 'store'), { createIfMissing: true })
  t.after(() => store.close())
  const catalogue = { lastPage: () => pages.length - 1, page: async (page: number) => pages[page] ?? [] }
  const keys = newIdentity(NETWORK)
  const limits = { maxCells: 1000, maxCellsPerProvider: 1000 }
  const directory = new Directory({ store, clock, limits, self: keys.providerId })
  const published: Announcement[] = []
  const waiting: { readonly page: number; resolve(): void }[] = []
  const network = {
    addresses: [],
    failures: 0,
    async publish(_topic: 'announcements', bytes: Uint8Array): Promise<void> {
      if (this.failures-- > 0) throw new Error('the mesh is gone')
      const announcement = JSON.parse(new TextDecoder().decode(bytes)) as Announcement
      published.push(announcement)
      for (const { page, resolve } of waiting) if (page === announcement.page) resolve()
    },
  }
  const errors: string[] = []
  const logger = pino({ level: 'error' }, { write: (line: string) => void errors.push(line) })
  const { http } = loadConfig({ env, flags: {} }).config
  const config = { network: { name: NETWORK }, announcements: { lifetime_seconds: LIFETIME_MS / 1000 }, http }
  const announcer = () => new Announcer({ config, clock, logger, yanks: NO_YANKS, catalogue, directory, keys, network })
  /** Resolves when the page is published. */
  const nextOf = (page: number) => new Promise<void>((resolve) => waiting.push({ page, resolve }))
  return { clock, directory, keys, published, network, errors, announcer, nextOf }
}

const told = (published: readonly Announcement[]) => published.map(({ page, cells }) => `${page}: ${cells.length}`)

describe('an announcement that could not be published', () => {
  it('is tried again until it is, and logged once', async (t) => {
    const { announcer, nextOf, network, published, errors } = await open(t, [[cell], [cell]])
    const part = announcer()
    network.failures = 2
    const out = Promise.all([nextOf(0), nextOf(1)])
    part.changed(0, 1)
    await out
    assert.deepEqual(told(published).sort(), ['0: 1', '1: 1'])
    assert.equal(errors.length, 1)
    await part.stop()
  })
})

describe('the HTTP address of a node', () => {
  const url = 'https://node.example'
  for (const [about, env, announced] of [
    ['is announced where one is configured', { CYTOPLEX_HTTP_PUBLIC_URL: url }, url],
    ['is not, where there is none', {}, undefined],
    [
      'nor where reading needs a key',
      { CYTOPLEX_HTTP_PUBLIC_URL: url, CYTOPLEX_HTTP_OPEN_READING: 'false' },
      undefined,
    ],
    ['nor where peers would refuse it', { CYTOPLEX_HTTP_PUBLIC_URL: `${url}/${'x'.repeat(256)}` }, undefined],
  ] as const) {
    it(about, async (t) => {
      const { announcer, nextOf, published } = await open(t, [[cell]], env)
      const part = announcer()
      const out = nextOf(0)
      part.changed(0)
      await out
      assert.equal(published[0]?.http, announced)
      await part.stop()
    })
  }
})

describe('stopping', () => {
  it('withdraws what was announced, once', async (t) => {
    const { announcer, nextOf, published, directory, keys } = await open(t, [[cell]])
    const first = announcer()
    const out = nextOf(0)
    first.start()
    await out
    await first.stop()
    assert.deepEqual(told(published), ['0: 1', '0: 0'])
    assert.ok(published[1]!.sequence > published[0]!.sequence)
    assert.equal(directory.kept(keys.providerId, 0)?.cells.length, 0)
    await announcer().stop()
    assert.equal(published.length, 2)
  })
})

describe('a page from which all cells have gone', () => {
  it('is announced empty until what was announced of it has expired, and then no more', async (t) => {
    const pages = [[cell], [cell]]
    const { announcer, nextOf, published, clock } = await open(t, pages)
    /** What an announcer tells between start and stop. */
    const refreshed = async () => {
      const before = published.length
      const part = announcer()
      const out = nextOf(1)
      part.start()
      await out
      const refreshed = published.slice(before)
      await part.stop()
      return told(refreshed)
    }
    assert.deepEqual(await refreshed(), ['0: 1', '1: 1'])
    pages[0] = []
    clock.advance(LIFETIME_MS / 2)
    assert.deepEqual(await refreshed(), ['0: 0', '1: 1'])
    assert.ok(
      published.every(
        ({ page, cells, expires_at }) => page > 0 || cells.length > 0 || expires_at === published[0]!.expires_at,
      ),
    )
    clock.advance(LIFETIME_MS / 2)
    assert.deepEqual(await refreshed(), ['1: 1'])
    pages[0] = [cell]
    assert.deepEqual(await refreshed(), ['0: 1', '1: 1'])
  })
})
