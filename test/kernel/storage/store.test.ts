import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { StartError } from '../../../src/kernel/base/errors.ts'
import { jsonKeyspace, KEYSPACES, textKeyspace } from '../../../src/kernel/storage/keyspaces.ts'
import { type ScanRange, Store } from '../../../src/kernel/storage/store.ts'
import { collected, temporaryFolder } from '../../support/cells.ts'

const numbers = jsonKeyspace<number>(KEYSPACES.meta)
const texts = textKeyspace(KEYSPACES.cells)

async function openStore(t: TestContext, directory?: string): Promise<Store> {
  const store = await Store.open(directory ?? (await temporaryFolder(t)), { createIfMissing: true })
  t.after(() => store.close())
  return store
}

async function keys(store: Store, range?: ScanRange): Promise<string[]> {
  return (await collected(store.scan(texts, range))).map(([key]) => key)
}

describe('transactions', () => {
  it('see their own writes and those of the group before them', async (t) => {
    const store = await openStore(t)
    const seen = await Promise.all([
      store.transact((tx) => {
        tx.put(numbers, 'n', 1)
        return tx.get(numbers, 'n')
      }),
      store.transact((tx) => {
        const before = tx.get(numbers, 'n')
        tx.delete(numbers, 'n')
        return [before, tx.get(numbers, 'n')]
      }),
      store.transact((tx) => {
        const before = tx.get(numbers, 'n')
        tx.put(numbers, 'n', 3)
        return before
      }),
    ])
    assert.deepEqual(seen, [1, [1, undefined], undefined])
    assert.equal(store.get(numbers, 'n'), 3)
  })

  it('see what is on disk, and hide it once they have deleted it', async (t) => {
    const store = await openStore(t)
    await store.transact((tx) => tx.put(numbers, 'n', 7))
    const seen = await store.transact((tx) => {
      const before = tx.get(numbers, 'n')
      tx.delete(numbers, 'n')
      return [before, tx.get(numbers, 'n')]
    })
    assert.deepEqual(seen, [7, undefined])
    assert.equal(store.get(numbers, 'n'), undefined)
  })

  it('that throw lose their own writes only', async (t) => {
    const store = await openStore(t)
    const failure = new Error('no')
    const results = await Promise.allSettled([
      store.transact((tx) => tx.put(numbers, 'a', 1)),
      store.transact((tx) => {
        tx.put(numbers, 'a', 2)
        tx.put(numbers, 'b', 2)
        throw failure
      }),
      store.transact((tx) => {
        tx.put(numbers, 'c', 3)
        return tx.get(numbers, 'a')
      }),
    ])
    assert.deepEqual(results[1], { status: 'rejected', reason: failure })
    assert.deepEqual(results[2], { status: 'fulfilled', value: 1 })
    assert.deepEqual(
      ['a', 'b', 'c'].map((key) => store.get(numbers, key)),
      [1, undefined, 3],
    )
  })

  it('of 200 concurrent writers all count, each on top of the one before', async (t) => {
    const directory = await temporaryFolder(t)
    const store = await openStore(t, directory)
    const increment = () =>
      store.transact((tx) => {
        const next = (tx.get(numbers, 'n') ?? 0) + 1
        tx.put(numbers, 'n', next)
        tx.put(texts, String(next).padStart(3, '0'), '')
        return next
      })
    const writer = async () => [await increment(), await increment(), await increment()]
    const results = (await Promise.all(Array.from({ length: 200 }, writer))).flat()
    assert.deepEqual(
      results.sort((a, b) => a - b),
      Array.from({ length: 600 }, (_, i) => i + 1),
    )
    await store.close()
    const again = await openStore(t, directory)
    assert.equal(again.get(numbers, 'n'), 600)
    assert.equal((await keys(again)).length, 600)
  })

  it('of any sequence leave what a map would hold', async (t) => {
    const store = await openStore(t)
    const model = new Map<string, number>()
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      value: fc.option(fc.integer(), { nil: undefined }),
      fails: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { maxLength: 4 }), { maxLength: 12 }), async (transactions) => {
        await Promise.allSettled(
          transactions.map((steps) => {
            const fails = steps.some((one) => one.fails)
            for (const { key, value } of fails ? [] : steps) {
              if (value === undefined) model.delete(key)
              else model.set(key, value)
            }
            return store.transact((tx) => {
              for (const { key, value } of steps) {
                if (value === undefined) tx.delete(numbers, key)
                else tx.put(numbers, key, value)
                assert.equal(tx.get(numbers, key), value)
              }
              if (fails) throw new Error('dropped')
            })
          }),
        )
        assert.deepEqual(new Map(await collected(store.scan(numbers))), new Map([...model].sort()))
      }),
      { numRuns: 40 },
    )
  })
})

describe('scan', () => {
  const NAMES = ['', 'a', 'a!1', 'a!2', 'a!3', 'a.', 'b', 'é', '\u{10fffe}']

  async function filled(t: TestContext): Promise<Store> {
    const store = await openStore(t)
    await store.transact((tx) => {
      for (const name of NAMES) tx.put(texts, name, name)
      tx.put(numbers, 'a!1', 1)
      tx.put(textKeyspace(KEYSPACES.answers), 'a!1', 'another keyspace')
    })
    return store
  }

  it('walks one keyspace, in order of UTF-8 bytes', async (t) => {
    assert.deepEqual(await keys(await filled(t)), NAMES)
  })

  it('keeps to prefix, start and limit', async (t) => {
    const store = await filled(t)
    assert.deepEqual(await keys(store, { prefix: 'a!' }), ['a!1', 'a!2', 'a!3'])
    assert.deepEqual(await keys(store, { prefix: 'a!', limit: 2 }), ['a!1', 'a!2'])
    assert.deepEqual(await keys(store, { prefix: 'a!', after: 'a!1' }), ['a!2', 'a!3'])
    assert.deepEqual(await keys(store, { after: 'b' }), ['é', '\u{10fffe}'])
    assert.deepEqual(await keys(store, { after: 'a!2', limit: 1 }), ['a!3'])
    assert.deepEqual(await keys(store, { limit: 0 }), [])
    assert.deepEqual(await keys(store, { prefix: 'none' }), [])
  })

  it('sees the store as it was when the walk began', async (t) => {
    const store = await filled(t)
    const walk = store.scan(texts)
    const first = await walk.next()
    await store.transact((tx) => {
      tx.delete(texts, 'b')
      tx.put(texts, 'c', 'new')
    })
    const rest = (await collected(walk)).map(([key]) => key)
    assert.deepEqual([first.value?.[0], ...rest], NAMES)
  })
})

describe('opening and closing', () => {
  it('a second handle is told that the store is in use', async (t) => {
    const directory = await temporaryFolder(t)
    await openStore(t, directory)
    await assert.rejects(Store.open(directory, { createIfMissing: true }), (error) => {
      assert.ok(error instanceof StartError)
      assert.match(error.message, /is in use by another node: stop it, or choose another --data-dir/)
      return true
    })
  })

  it('so is another process', async (t) => {
    const directory = await temporaryFolder(t)
    await openStore(t, directory)
    const url = new URL('../../../src/kernel/storage/store.ts', import.meta.url)
    const script = `
      const { Store } = await import(${JSON.stringify(url.href)})
      await Store.open(process.argv[1], { createIfMissing: true }).catch((error) => console.log(error.name, error.message))`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, directory], {
      cwd: fileURLToPath(new URL('../../../', import.meta.url)),
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const closed = once(child, 'close')
    const output = (await collected(child.stdout.setEncoding('utf8'))).join('')
    await closed
    assert.match(output, /^StartError .* is in use by another node/)
  })

  it('a store that is missing or damaged is not replaced by an empty one', async (t) => {
    const directory = await temporaryFolder(t)
    const refused = () =>
      assert.rejects(Store.open(join(directory, 'store'), { createIfMissing: false }), (error) => {
        assert.ok(error instanceof StartError)
        assert.match(error.message, /cannot be opened: .* Restore it from a backup/)
        return true
      })
    await refused()
    const store = await Store.open(join(directory, 'store'), { createIfMissing: true })
    await store.transact((tx) => tx.put(numbers, 'n', 1))
    await store.close()
    await writeFile(join(directory, 'store', 'CURRENT'), 'garbage\n')
    await refused()
  })

  it('what prevents opening from outside is named, without a word on backups', async (t) => {
    const directory = await temporaryFolder(t)
    await (await Store.open(directory, { createIfMissing: true })).close()
    await rm(join(directory, 'LOCK'))
    await mkdir(join(directory, 'LOCK'))
    await assert.rejects(Store.open(directory, { createIfMissing: false }), (error) => {
      assert.ok(error instanceof StartError)
      assert.match(error.message, /cannot be opened: .*LOCK: Is a directory$/)
      return true
    })
  })

  it('a torn manifest is refused', async (t) => {
    const directory = await temporaryFolder(t)
    const store = await Store.open(directory, { createIfMissing: true })
    await store.transact((tx) => tx.put(numbers, 'n', 1))
    await store.close()
    const manifest = (await readdir(directory)).find((name) => name.startsWith('MANIFEST'))
    assert.ok(manifest)
    await truncate(join(directory, manifest), 3)
    await assert.rejects(Store.open(directory, { createIfMissing: false }), StartError)
  })

  it('closing waits for the writes under way, and refuses later ones', async (t) => {
    const directory = await temporaryFolder(t)
    const store = await Store.open(directory, { createIfMissing: true })
    const writes = Array.from({ length: 20 }, (_, i) => store.transact((tx) => tx.put(numbers, String(i), i)))
    await Promise.all([store.close(), ...writes])
    await assert.rejects(
      store.transact((tx) => tx.put(numbers, 'late', 1)),
      /the store is closed/,
    )
    const again = await openStore(t, directory)
    assert.equal((await collected(again.scan(numbers))).length, 20)
    assert.equal(again.get(numbers, 'late'), undefined)
  })
})
