import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { AnnouncedNames } from '../../../src/domain/federation/announced-names.ts'
import { Directory } from '../../../src/domain/federation/directory.ts'
import { TextIndex } from '../../../src/kernel/text/text-index.ts'
import { silentLogger } from '../../network/nodes.ts'
import { openCells, TestClock } from '../../support/cells.ts'

const LIFETIME_MS = 60_000

async function open(t: TestContext) {
  const clock = new TestClock()
  const { store, directory: folder } = await openCells(t, { clock })
  const start = () => {
    const limits = { maxCells: 100_000, maxCellsPerProvider: 100_000 }
    const directory = new Directory({ store, clock, limits, self: 'self' })
    const text = new TextIndex(join(folder, 'text', 'index.sqlite'))
    const names = new AnnouncedNames({ directory, text, logger: silentLogger })
    const stop = async () => {
      await names.stop()
      await text.close()
    }
    t.after(stop)
    return {
      directory,
      text,
      stop,
      found: async (query: string) => {
        await names.caughtUp()
        return (await names.search(query, { limit: 10 })).map(({ id }) => id)
      },
      announce: (provider: string, capabilities: readonly string[], page = 0) =>
        directory.accept({
          type: 'announcement',
          provider_id: provider,
          page,
          sequence: clock.now(),
          expires_at: clock.now() + LIFETIME_MS,
          addresses: [],
          cells: capabilities.map((name) => ({
            manifest_digest: name,
            publisher: 'stranger',
            cell_type: `type-${name}`,
            version: '1.0.0',
            capabilities: [{ name, version: '1.0.0' }],
          })),
          signature: 'checked elsewhere',
        }),
    }
  }
  return { clock, start }
}

describe('announced names', () => {
  it('are found as long as somebody offers them', async (t) => {
    const { clock, start } = await open(t)
    const { announce, found, directory } = start()
    await announce('a', ['image-resize', 'sql-query'])
    await announce('b', ['sql-query'])
    assert.deepEqual(await found('imgae-resize'), ['c:image-resize', 't:type-image-resize'])
    clock.advance(2000)
    await announce('a', ['markdown'])
    assert.deepEqual([await found('imgae-resize'), (await found('markdwon'))[0]], [[], 'c:markdown'])
    assert.equal((await found('sqlquery'))[0], 'c:sql-query')
    clock.advance(LIFETIME_MS)
    await directory.sweep()
    assert.deepEqual([await found('sqlquery'), await found('markdwon')], [[], []])
  })

  it('are those of this start alone', async (t) => {
    const { start, clock } = await open(t)
    const first = start()
    await first.announce('a', ['image-resize'])
    assert.equal((await first.found('image-resize'))[0], 'c:image-resize')
    await first.stop()
    const second = start()
    assert.deepEqual(await second.found('image-resize'), [])
    clock.advance(2000)
    await second.announce('b', ['sql-query'])
    assert.equal((await second.found('sql-query'))[0], 'c:sql-query')
  })

  it('are written again when the index lost them', async (t) => {
    const { start } = await open(t)
    const { announce, found, text } = start()
    const names = Array.from({ length: 700 }, (_, at) => `offer-number-${at}`)
    await announce('a', names)
    assert.equal((await found('offer-number-650'))[0], 'c:offer-number-650')
    await text.clear('announced')
    assert.equal((await found('offer-number-650'))[0], 'c:offer-number-650')
  })

  it('that come faster than they are written are found all the same', async (t) => {
    const { start, clock } = await open(t)
    const { announce, found } = start()
    assert.deepEqual(await found('markdown'), [])
    for (let page = 0; page < 60; page++) {
      await announce(
        'a',
        Array.from({ length: 500 }, (_, at) => `offer-number-${page * 500 + at}`),
        page,
      )
    }
    clock.advance(2000)
    await announce('a', ['markdown'], 0)
    assert.equal((await found('markdown'))[0], 'c:markdown')
    assert.equal((await found('offer-number-29999'))[0], 'c:offer-number-29999')
    assert.notEqual((await found('offer-number-7'))[0], 'c:offer-number-7')
  })
})
