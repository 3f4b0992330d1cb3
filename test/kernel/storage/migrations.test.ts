import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { StartError } from '../../../src/kernel/base/errors.ts'
import { KEYSPACES, textKeyspace } from '../../../src/kernel/storage/keyspaces.ts'
import { MIGRATIONS, type Migration, migrate } from '../../../src/kernel/storage/migrations.ts'
import { Store } from '../../../src/kernel/storage/store.ts'
import { temporaryFolder } from '../../support/cells.ts'

const meta = textKeyspace(KEYSPACES.meta)

async function openStore(t: TestContext, version?: string): Promise<Store> {
  const store = await Store.open(await temporaryFolder(t), { createIfMissing: true })
  t.after(() => store.close())
  if (version !== undefined) await store.transact((tx) => tx.put(meta, 'schema_version', version))
  return store
}

function steps(ran: number[], failAt?: number): Migration[] {
  return [2, 3, 4].map((version) => ({
    version,
    name: `to ${version}`,
    run: async () => {
      if (version === failAt) throw new Error('the disk is full')
      ran.push(version)
    },
  }))
}

describe('migrate', () => {
  it('runs nothing on an empty store, which is of the newest schema', async (t) => {
    const store = await openStore(t)
    const ran: number[] = []
    assert.equal(await migrate(store, steps(ran)), 4)
    assert.deepEqual(ran, [])
    assert.equal(store.get(meta, 'schema_version'), '4')
  })

  it('runs the steps that are missing, in order, once', async (t) => {
    const store = await openStore(t, '2')
    const ran: number[] = []
    assert.equal(await migrate(store, steps(ran)), 4)
    assert.equal(await migrate(store, steps(ran)), 4)
    assert.deepEqual(ran, [3, 4])
  })

  it('goes on at the step that failed', async (t) => {
    const store = await openStore(t, '1')
    const ran: number[] = []
    await assert.rejects(migrate(store, steps(ran, 3)), /the disk is full/)
    assert.equal(store.get(meta, 'schema_version'), '2')
    await migrate(store, steps(ran))
    assert.deepEqual(ran, [2, 3, 4])
  })

  it('refuses a store of a newer program', async (t) => {
    const store = await openStore(t, '5')
    await assert.rejects(migrate(store, steps([])), (error) => {
      assert.ok(error instanceof StartError)
      assert.match(error.message, /schema version 5, this program knows versions up to 4/)
      return true
    })
    assert.equal(store.get(meta, 'schema_version'), '5')
  })

  for (const garbage of ['', 'two', '0', '-1', '1.5', 'NaN']) {
    it(`refuses the schema version ${JSON.stringify(garbage)}`, async (t) => {
      const store = await openStore(t, garbage)
      await assert.rejects(migrate(store, steps([])), StartError)
    })
  }

  it('knows only steps in ascending order', () => {
    const versions = MIGRATIONS.map(({ version }) => version)
    assert.deepEqual(
      versions,
      versions.toSorted((a, b) => a - b),
    )
    assert.equal(new Set(versions).size, versions.length)
  })
})
