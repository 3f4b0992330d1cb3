import assert from 'node:assert/strict'
import { it, type TestContext } from 'node:test'
import { LogDamageError } from '../../../src/kernel/log/log-damage.ts'
import { MerkleLog } from '../../../src/kernel/log/merkle-log.ts'
import { KEYSPACES, type Keyspace, textKeyspace } from '../../../src/kernel/storage/keyspaces.ts'
import { fill, fillAtOnce, temporaryStore } from './logs.ts'

const heads = textKeyspace(KEYSPACES.logs)
const hashes = textKeyspace(KEYSPACES.logHashes)
const leaves = textKeyspace(KEYSPACES.logLeaves)

/** A log of 300 leaves: peaks of 256, 32, 8 and 4. */
const SIZE = 300
/** Keys of the records that hold them: the first of the second stratum, and the tenth of the first. */
const PEAK_RECORDS = ['100000000000', '000000000009']

async function damaged(t: TestContext, name: string, filled = fill) {
  const { store } = await temporaryStore(t)
  // Neighbours whose names begin alike must not hide anything.
  for (const other of ['', 'goal', 'goal/a', 'goal/a0']) await filled(store, new MerkleLog(store, other), SIZE)
  const log = new MerkleLog(store, name)
  const key = (index: number) => `${name}!${index.toString(36).padStart(11, '0')}`
  /** Puts another text in the place of a record, looks what is found, and puts the record back. */
  const change = async (space: Keyspace<string>, at: string, text: string | undefined): Promise<string | undefined> => {
    const before = store.get(space, at)
    const put = (value: string | undefined) =>
      store.transact((tx) => (value === undefined ? tx.delete(space, at) : tx.put(space, at, value)))
    await put(text)
    try {
      log.check()
      return undefined
    } catch (error) {
      assert.ok(error instanceof LogDamageError, String(error))
      return error.message
    } finally {
      await put(before)
    }
  }
  return { store, log, key, change }
}

/** The text with one character changed, in a way that changes the bytes. */
const flipped = (text: string, at: number): string =>
  text.slice(0, at) + (text[at] === 'x' ? 'y' : 'x') + text.slice(at + 1)

it('a log that is whole passes at every size, and after each append', async (t) => {
  const { store } = await temporaryStore(t)
  const log = new MerkleLog(store, 'goal/a')
  for (let size = 0; size <= 70; size++) {
    log.check()
    await fill(store, log, size)
  }
  log.check()
})

for (const [name, how, filled] of [
  ['', 'one by one', fill],
  ['goal/a', 'one by one', fill],
  ['goal/a', 'at once', fillAtOnce],
] as const) {
  it(`damage at the end of the log "${name}", appended ${how}, is found, wherever a byte is flipped`, async (t) => {
    const { store, log, key, change } = await damaged(t, name, filled)
    log.check()
    const head = store.get(heads, name)!
    for (let at = head.indexOf(' ') + 1; at < head.length - 1; at += 5) {
      assert.match((await change(heads, name, flipped(head, at))) ?? '', /the peaks of its 300 leaves/, `head ${at}`)
    }
    const last = store.get(leaves, key(SIZE - 1))!
    for (let at = 0; at < last.length; at++) {
      assert.match((await change(leaves, key(SIZE - 1), flipped(last, at))) ?? '', /its leaf 299/, `leaf ${at}`)
    }
    const peaks = Buffer.from(head.split(' ')[1]!, 'base64url')
    let found = 0
    for (const record of PEAK_RECORDS.map((end) => `${name}!${end}`)) {
      const text = store.get(hashes, record)!
      const bytes = Buffer.from(text, 'base64url')
      for (let peak = 0; peak < peaks.length; peak += 32) {
        const start = bytes.indexOf(peaks.subarray(peak, peak + 32))
        if (start === -1) continue
        found++
        for (const at of [0, 13, 31]) {
          const changed = Buffer.from(bytes)
          changed[start + at]! ^= 1
          assert.ok(await change(hashes, record, changed.toString('base64url')), `peak ${peak / 32} at ${at}`)
        }
      }
      for (const end of [1, 8, 43])
        assert.match((await change(hashes, record, text.slice(0, -end))) ?? '', /is missing/)
      assert.match((await change(hashes, record, undefined)) ?? '', /is missing/)
      assert.match((await change(hashes, record, `${text}${text.slice(-43)}`)) ?? '', /ends with 300 leaves, but holds/)
    }
    assert.equal(found, 4)
    for (const beyond of ['00000000000a', '100000000001', '200000000000']) {
      assert.equal(store.get(hashes, `${name}!${beyond}`), undefined)
    }
    assert.match((await change(leaves, key(SIZE - 1), undefined)) ?? '', /the record of its leaf 299 is missing/)
    log.check()
  })

  it(`a size of the log "${name}", appended ${how}, that was rolled back, or is ahead, is found`, async (t) => {
    const { store, key, change } = await damaged(t, name, filled)
    const head = store.get(heads, name)!
    const [, peaks] = head.split(' ')
    assert.match((await change(heads, name, `299 ${peaks}`)) ?? '', /it ends with 299 leaves, but holds a leaf 299/)
    for (const size of [128, 130, 255, 256, 271]) {
      await filled(store, new MerkleLog(store, `size-${size}`), size)
      const found = (await change(heads, name, store.get(heads, `size-${size}`))) ?? ''
      assert.match(found, new RegExp(`it ends with ${size} leaves, but holds a leaf ${size}`))
    }
    assert.match((await change(heads, name, undefined)) ?? '', /it ends with 0 leaves, but holds a leaf 0/)
    assert.match((await change(heads, name, `301 ${peaks}`)) ?? '', /leaf 300 is missing/)
    assert.match((await change(heads, name, `3OO ${peaks}`)) ?? '', /its size is no number/)
    assert.match((await change(leaves, key(SIZE), 'more')) ?? '', /but holds a leaf 300/)
  })
}

it('damage of the last leaf of a run is found', async (t) => {
  const { store } = await temporaryStore(t)
  const log = new MerkleLog(store, '')
  await fillAtOnce(store, log, 96)
  log.check()
  const bundle = '!0000000002n+'
  const text = store.get(leaves, bundle)!
  for (const changed of [flipped(text, text.length - 1), text.slice(0, -1), `${text} `, undefined]) {
    await store.transact((tx) => (changed === undefined ? tx.delete(leaves, bundle) : tx.put(leaves, bundle, changed)))
    assert.throws(() => log.check(), LogDamageError)
  }
})

it('nothing is appended to a log whose peaks are gone', async (t) => {
  const { store } = await temporaryStore(t)
  const log = new MerkleLog(store, '')
  await fill(store, log, 6)
  await store.transact((tx) => tx.put(heads, '', '6 AAAA'))
  await assert.rejects(
    store.transact((tx) => log.append(tx, new Uint8Array())),
    LogDamageError,
  )
})
