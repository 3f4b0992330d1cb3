import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Administration } from '../../../src/domain/access/administration.ts'
import { MerkleLog } from '../../../src/kernel/log/merkle-log.ts'
import { Store } from '../../../src/kernel/storage/store.ts'
import { TestClock, temporaryFolder } from '../../support/cells.ts'

it('administrative acts are listed newest first, page by page', async (t) => {
  const store = await Store.open(await temporaryFolder(t), { createIfMissing: true })
  t.after(() => store.close())
  const log = new MerkleLog(store, '')
  const administration = new Administration(log, new TestClock())
  for (let number = 0; number < 12; number++) {
    await store.transact((tx) => {
      // Leaves about cells lie between.
      if (number % 3 === 0) log.append(tx, new Uint8Array([number]))
      administration.add(tx, { act: 'key_created', by: 'admin', details: { number, nothing: undefined } })
    })
  }
  const seen: unknown[] = []
  const salts = new Set<string>()
  let before: number | undefined
  for (let pages = 0; pages < 10; pages++) {
    const { entries, next_before } = await administration.list(store, { limit: 5, ...(before && { before }) })
    for (const { details, log_index, commitment, salt } of entries) {
      seen.push((details as { number: number }).number)
      salts.add(salt)
      assert.match(new TextDecoder().decode(log.leaf(log_index)), new RegExp(commitment))
    }
    if (next_before === null) break
    before = next_before
  }
  assert.deepEqual(seen, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
  assert.equal(salts.size, 12)
  assert.deepEqual(await administration.list(store, { before: 0 }), { entries: [], next_before: null })
})
