import assert from 'node:assert/strict'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { DirectorySync, writeFileDurably } from '../../../src/kernel/storage/durable-files.ts'
import { temporaryFolder } from '../../support/cells.ts'

describe('DirectorySync', () => {
  it('whoever asks during a sync shares the next one', async (t) => {
    const directory = await temporaryFolder(t)
    const syncs = new DirectorySync()
    const first = syncs.sync(directory)
    const second = syncs.sync(directory)
    const third = syncs.sync(directory)
    assert.notEqual(first, second)
    assert.equal(second, third)
    const order: string[] = []
    await Promise.all([first.then(() => order.push('first')), second.then(() => order.push('second'))])
    assert.deepEqual(order, ['first', 'second'])
    const later = syncs.sync(directory)
    assert.notEqual(later, third)
    await later
  })

  it('who asks while the shared one runs gets one after it', async (t) => {
    const directory = await temporaryFolder(t)
    const syncs = new DirectorySync()
    const first = syncs.sync(directory)
    const second = syncs.sync(directory)
    await first
    // The second runs from here on, and may have begun before this caller's rename.
    const third = syncs.sync(directory)
    assert.notEqual(third, second)
    await Promise.all([second, third])
  })

  it('directories do not wait for each other', async (t) => {
    const [one, other] = [await temporaryFolder(t), await temporaryFolder(t)]
    const syncs = new DirectorySync()
    const waiting = syncs.sync(one)
    assert.notEqual(syncs.sync(other), waiting)
    await waiting
  })

  it('a failure reaches its own callers, and the next ones try again', async (t) => {
    const directory = join(await temporaryFolder(t), 'missing')
    const syncs = new DirectorySync()
    const results = await Promise.allSettled([syncs.sync(directory), syncs.sync(directory), syncs.sync(directory)])
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected', 'rejected'],
    )
    await assert.rejects(syncs.sync(directory), { code: 'ENOENT' })
  })
})

describe('writeFileDurably', () => {
  it('replaces a file whole, with its mode, and leaves nothing beside it', async (t) => {
    const directory = await temporaryFolder(t)
    const path = join(directory, 'file')
    await writeFile(path, 'a longer text than the new one', { mode: 0o644 })
    await writeFileDurably(path, 'new', 0o600)
    assert.equal(await readFile(path, 'utf8'), 'new')
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    assert.deepEqual(await readdir(directory), ['file'])
  })
})
