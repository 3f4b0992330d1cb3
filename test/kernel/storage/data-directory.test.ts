import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { StartError } from '../../../src/kernel/base/errors.ts'
import { checkDataDirectory, openDataDirectory } from '../../../src/kernel/storage/data-directory.ts'
import { KEYSPACES, textKeyspace } from '../../../src/kernel/storage/keyspaces.ts'
import { temporaryFolder } from '../../support/cells.ts'

const KEYS = { directory: '/the/keys', present: true }
const NO_KEYS = { ...KEYS, present: false }
const meta = textKeyspace(KEYSPACES.meta)

async function newDirectory(t: TestContext): Promise<string> {
  return join(await temporaryFolder(t), 'data')
}

/** A directory in which a node has run. */
async function usedDirectory(t: TestContext): Promise<string> {
  const directory = await newDirectory(t)
  assert.equal(await checkDataDirectory(directory, 'main', NO_KEYS), 'first')
  await (await openDataDirectory(directory, 'main', 'provider-1')).close()
  return directory
}

const refused = (promise: Promise<unknown>, message: RegExp) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof StartError, String(error))
    assert.match(error.message, message)
    return true
  })

describe('data and keys', () => {
  it('neither: a first start; both: a later one', async (t) => {
    const directory = await usedDirectory(t)
    assert.equal(await checkDataDirectory(directory, 'main', KEYS), 'existing')
    const store = await openDataDirectory(directory, 'main', 'provider-1')
    await store.close()
  })

  it('an empty folder is as good as none', async (t) => {
    const directory = await newDirectory(t)
    await mkdir(directory)
    await writeFile(join(directory, 'admin.key'), 'created before the node started')
    assert.equal(await checkDataDirectory(directory, 'main', NO_KEYS), 'first')
  })

  it('data without keys', async (t) => {
    const directory = await usedDirectory(t)
    await refused(
      checkDataDirectory(directory, 'main', NO_KEYS),
      /is the data of provider-1, but its keys are not in \/the\/keys: restore them/,
    )
  })

  it('keys without data; nothing is created', async (t) => {
    const directory = await newDirectory(t)
    await refused(checkDataDirectory(directory, 'main', KEYS), /\/the\/keys holds a node's keys, but its data .* empty/)
    assert.ok(!existsSync(directory))
  })

  it("another network's data", async (t) => {
    const directory = await usedDirectory(t)
    await refused(checkDataDirectory(directory, 'test', KEYS), /belongs to the network "main", not "test"/)
  })

  it("another provider's keys", async (t) => {
    const directory = await usedDirectory(t)
    await refused(
      openDataDirectory(directory, 'main', 'provider-2'),
      /is the data of provider-1, but the keys are those of provider-2/,
    )
  })

  it('a first start that was interrupted goes on, whatever it had created', async (t) => {
    const directory = await newDirectory(t)
    assert.equal(await checkDataDirectory(directory, 'main', NO_KEYS), 'first')
    assert.equal(await checkDataDirectory(directory, 'main', NO_KEYS), 'first')
    assert.equal(await checkDataDirectory(directory, 'main', KEYS), 'first')
    await mkdir(join(directory, 'store'))
    assert.equal(await checkDataDirectory(directory, 'main', KEYS), 'first')
    await (await openDataDirectory(directory, 'main', 'provider-1')).close()
    await refused(checkDataDirectory(directory, 'main', NO_KEYS), /keys are not in/)
  })
})

describe('damage', () => {
  it('a store without CURRENT is not replaced by an empty one', async (t) => {
    const directory = await usedDirectory(t)
    await rm(join(directory, 'store', 'CURRENT'))
    await refused(openDataDirectory(directory, 'main', 'provider-1'), /no CURRENT file.*restore it from a backup/)
    assert.ok(!existsSync(join(directory, 'store', 'CURRENT')))
  })

  it('nor is a store that is gone', async (t) => {
    const directory = await usedDirectory(t)
    await rm(join(directory, 'store'), { recursive: true })
    await refused(openDataDirectory(directory, 'main', 'provider-1'), /is missing or damaged/)
  })

  it('data whose cytoplex.json is gone', async (t) => {
    const directory = await usedDirectory(t)
    await rm(join(directory, 'cytoplex.json'))
    await refused(checkDataDirectory(directory, 'main', KEYS), /holds data but no cytoplex.json: restore that file/)
    await refused(checkDataDirectory(directory, 'main', NO_KEYS), /holds data but no cytoplex.json/)
  })

  for (const [what, content] of [
    ['empty', ''],
    ['cut off', '{"format":1,"netw'],
    ['of another form', '{"format":1,"network":7,"provider_id":null}'],
    ['of a newer format', '{"format":2,"network":"main","provider_id":null}'],
    ['with a key twice', '{"format":1,"format":1,"network":"main","provider_id":null}'],
  ] as const) {
    it(`a cytoplex.json that is ${what}`, async (t) => {
      const directory = await usedDirectory(t)
      await writeFile(join(directory, 'cytoplex.json'), content)
      await refused(checkDataDirectory(directory, 'main', KEYS), /cytoplex.json is damaged/)
    })
  }

  it('a store of a newer program; it is closed again', async (t) => {
    const directory = await usedDirectory(t)
    const store = await openDataDirectory(directory, 'main', 'provider-1')
    await store.transact((tx) => tx.put(meta, 'schema_version', '99'))
    await store.close()
    for (let i = 0; i < 2; i++) await refused(openDataDirectory(directory, 'main', 'provider-1'), /schema version 99/)
  })

  it('a path that cannot be a folder', async (t) => {
    const file = join(await temporaryFolder(t), 'file')
    await writeFile(file, '')
    await refused(checkDataDirectory(file, 'main', NO_KEYS), /is a file, not a directory/)
  })

  it('a directory that a node is using', async (t) => {
    const directory = await usedDirectory(t)
    const store = await openDataDirectory(directory, 'main', 'provider-1')
    await refused(openDataDirectory(directory, 'main', 'provider-1'), /is in use by another node/)
    await store.close()
  })
})
