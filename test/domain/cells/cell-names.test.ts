import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { Annotations } from '../../../protocol/annotations.ts'
import type { Manifest } from '../../../protocol/manifest.ts'
import { Administration } from '../../../src/domain/access/administration.ts'
import { CellNames } from '../../../src/domain/cells/cell-names.ts'
import { MerkleLog } from '../../../src/kernel/log/merkle-log.ts'
import type { Logger } from '../../../src/kernel/telemetry/logger.ts'
import { type TextChange, TextIndex } from '../../../src/kernel/text/text-index.ts'
import { silentLogger } from '../../network/nodes.ts'
import { manifestOf, newPublisher, openCells, signedCell, staged } from '../../support/cells.ts'

const alice = newPublisher()
const capability = (name: string) => ({ name, version: '1.0.0' })

/** An index that counts what is written, and fails when told. */
class CountedIndex extends TextIndex {
  written: TextChange[] = []
  failure: Error | undefined
  #onWrite = (): void => undefined

  onWrite(listener: () => void): void {
    this.#onWrite = listener
  }

  override async write(collection: string, changes: readonly TextChange[], position?: string): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    await super.write(collection, changes, position)
    this.written.push(...changes)
    this.#onWrite()
  }
}

async function open(t: TestContext) {
  const cells = await openCells(t)
  const path = join(cells.directory, 'text', 'index.turbine')
  const log = new MerkleLog(cells.store, '')
  const warnings: unknown[] = []
  const logger = { ...silentLogger, warn: (...args: unknown[]) => warnings.push(args) } as unknown as Logger
  const follow = (over: ConstructorParameters<typeof CellNames>[0]['log'] = log) => {
    const text = new CountedIndex(path)
    const names = new CellNames({ store: cells.store, log: over, text, logger })
    const stop = async () => {
      await names.stop()
      await text.close()
    }
    t.after(stop)
    const found = async (query: string) => {
      await names.caughtUp()
      return (await names.search(query, { limit: 10 })).map(({ id }) => id)
    }
    return { text, names, found, stop }
  }
  const register = async (
    cell_type: string,
    capabilities: readonly string[],
    { annotations = {}, version = '1.0.0' }: { annotations?: Annotations; version?: string } = {},
  ) => {
    const writer = await staged(cells.blobs, new TextEncoder().encode(`${cell_type} ${version}`))
    const overrides: Partial<Manifest> = { cell_type, version, capabilities: capabilities.map(capability) }
    const cell = { ...signedCell(alice, manifestOf(alice.publisher, writer.summary, overrides)), annotations }
    return cells.repository.register(cell, { credential: 'key', report: null }, writer)
  }
  return { ...cells, merkleLog: log, path, follow, register, warnings }
}

describe('the names of registered cells', () => {
  it('are found by type, capability, description and tags, as the highest version says', async (t) => {
    const { follow, register, repository } = await open(t)
    const { found } = follow()
    await register('turbine', ['sql-query', 'sql-import'], {
      annotations: { description: 'A whole database', tags: ['embedded'] },
    })
    assert.deepEqual(await found('sqlquery'), ['c:sql-query'])
    assert.deepEqual(await found('turbnie'), ['t:turbine'])
    assert.deepEqual(await found('database embedded'), ['t:turbine'])
    await register('turbine', ['sql-query'], { version: '1.1.0', annotations: { description: 'A whole engine' } })
    assert.deepEqual([await found('database'), await found('engine')], [[], ['t:turbine']])
    await repository.annotate('turbine', '1.1.0', { tags: ['portable'] })
    assert.deepEqual(await found('portable'), ['t:turbine'])
    await repository.delete('turbine', '1.1.0')
    assert.deepEqual([await found('database'), await found('engine')], [['t:turbine'], []])
    await repository.delete('turbine', '1.0.0')
    assert.deepEqual(await found('database'), [])
  })

  it('go on from where they were after a restart, past leaves about administration', async (t) => {
    const { follow, register, store, merkleLog, clock } = await open(t)
    const first = follow()
    await register('turbine', ['sql-query'])
    assert.deepEqual(await first.found('turbine'), ['t:turbine'])
    await first.stop()
    const administration = new Administration(merkleLog, clock)
    await store.transact((tx) => administration.add(tx, { act: 'key_created', by: 'admin', details: {} }))
    await register('parser', ['parse'])
    const second = follow()
    assert.deepEqual(await second.found('parser'), ['t:parser', 'c:parse'])
    assert.deepEqual(
      second.text.written.map((change) => (typeof change === 'string' ? change : change.id)),
      ['t:parser', 'c:parse'],
    )
    assert.deepEqual(await second.found('turbine'), ['t:turbine'])
  })

  it('are read again when the index is gone, or the log is another', async (t) => {
    const { follow, register, path, merkleLog, warnings } = await open(t)
    for (let number = 0; number < 120; number++) await register(`cell-number-${number}`, [`offer-${number}`])
    const first = follow()
    assert.equal((await first.found('cell-number-77'))[0], 't:cell-number-77')
    await first.stop()
    await rm(path)
    const second = follow()
    const begun = new Promise<void>((resolve) => second.text.onWrite(resolve))
    second.names.start()
    await begun
    assert.equal((await second.found('offer-99'))[0], 'c:offer-99')
    assert.equal(second.text.written.length, 240)
    await second.stop()
    const root = (size: number) => merkleLog.root(size).map((byte) => byte ^ 1)
    const other = { size: merkleLog.size, leaf: (index: number) => merkleLog.leaf(index), root }
    const third = follow(other)
    assert.equal((await third.found('offer-99'))[0], 'c:offer-99')
    assert.equal(third.text.written.length, 240)
    assert.deepEqual(warnings, [])
  })

  it('that could not be written are written later, and that is logged once', async (t) => {
    const { follow, register, warnings } = await open(t)
    const { text, found, names } = follow()
    text.failure = new Error('the disk is full')
    await register('turbine', ['sql-query'])
    assert.deepEqual([await found('turbine'), await found('turbine')], [[], []])
    assert.equal(warnings.length, 1)
    text.failure = undefined
    assert.deepEqual(await found('turbine'), ['t:turbine'])
    await names.forget(['t:turbine'])
    assert.deepEqual(await found('turbine'), [])
  })

  it('of many capabilities are written in parts', async (t) => {
    const { follow, register } = await open(t)
    const { found } = follow()
    for (let cell = 0; cell < 10; cell++) {
      const names = Array.from({ length: 64 }, (_, at) => `offer-${cell}-${at}`)
      await register(`cell-${cell}`, names)
    }
    assert.equal((await found('offer-9-63'))[0], 'c:offer-9-63')
    assert.equal((await found('offer-0-1'))[0], 'c:offer-0-1')
  })
})
