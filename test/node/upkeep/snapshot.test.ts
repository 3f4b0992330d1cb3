import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../../src/kernel/base/clock.ts'
import { openKeyDirectory } from '../../../src/kernel/identity/key-directory.ts'
import { nativeVerifier } from '../../../src/kernel/identity/verify.ts'
import { openCertifiedNote } from '../../../src/kernel/log/certified-checkpoint.ts'
import { MerkleLog } from '../../../src/kernel/log/merkle-log.ts'
import { KEYSPACES, textKeyspace } from '../../../src/kernel/storage/keyspaces.ts'
import { Store } from '../../../src/kernel/storage/store.ts'
import { LogEpochs } from '../../../src/node/flows/log-epochs.ts'
import { readSnapshot } from '../../../src/node/upkeep/read-snapshot.ts'
import { snapshotLines } from '../../../src/node/upkeep/snapshot.ts'
import { fill } from '../../kernel/log/logs.ts'
import { NETWORK, temporaryFolder } from '../../support/cells.ts'

const signal = new AbortController().signal
const records = textKeyspace(KEYSPACES.issues)

async function opened(t: TestContext) {
  const folder = await temporaryFolder(t)
  const keys = openKeyDirectory(join(folder, 'keys'), { network: NETWORK, allowCreate: true, clock: systemClock })
  const store = await Store.open(join(folder, 'store'), { createIfMissing: true })
  t.after(() => store.close())
  const log = new MerkleLog(store, '')
  const parts = { clock: systemClock, config: { network: { name: NETWORK } }, keys, log, store } as never
  const lines = () => snapshotLines(parts, new LogEpochs(parts), signal)
  return { folder, keys, store, log, lines }
}

const bytesOf = async (lines: AsyncIterable<Uint8Array>): Promise<Buffer> => Buffer.concat(await Array.fromAsync(lines))

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const read = (bytes: Buffer, size = 100) => Array.fromAsync(readSnapshot(inPieces(bytes, size), () => undefined))

test('a snapshot is the store at one moment, with the signed end of its log, whatever is written meanwhile', async (t) => {
  const { keys, store, log, lines } = await opened(t)
  await fill(store, log, 5)
  await store.transact((tx) => tx.put(records, 'a\n"\u{1f600}', 'before'))
  const pieces = lines()
  const first = await pieces.next()
  await fill(store, log, 3)
  await store.transact((tx) => {
    tx.put(records, 'a\n"\u{1f600}', 'after')
    tx.put(records, 'b', 'after')
  })
  const rest = await bytesOf(pieces)
  const bytes = Buffer.concat([first.value!, rest])
  let size = 0
  const entries = await Array.fromAsync(
    readSnapshot(inPieces(bytes, 7), (head) => {
      const note = openCertifiedNote(nativeVerifier, NETWORK, keys.providerId, head.log)
      size = note.size
      assert.deepEqual(note.root, log.root(5))
    }),
  )
  assert.equal(size, 5)
  const kept = entries.filter(([key]) => key.startsWith(records.prefix))
  assert.deepEqual(kept, [[`${records.prefix}a\n"\u{1f600}`, 'before']])
  const copy = await Store.open(join(await temporaryFolder(t), 'copy'), { createIfMissing: true })
  t.after(() => copy.close())
  await copy.load(readSnapshot(inPieces(bytes, 1000), () => undefined))
  const restored = new MerkleLog(copy, '')
  restored.check()
  assert.deepEqual([restored.size, restored.root()], [5, log.root(5)])
})

test('a snapshot that breaks off, goes on, or was changed is refused', async (t) => {
  const { store, lines } = await opened(t)
  await store.transact((tx) => {
    for (let i = 0; i < 20; i++) tx.put(records, `key ${i}`, `value ${i}`)
  })
  const whole = await bytesOf(lines())
  assert.equal((await read(whole)).length, 20)
  const text = whole.toString()
  const end = text.trimEnd().lastIndexOf('\n') + 1
  const cases: [string, RegExp][] = [
    ['', /breaks off/],
    [text.slice(0, end), /breaks off before its end/],
    [text.slice(0, end - 5), /damaged|breaks off/],
    [text.replace('value 7', 'value 8'), /the digest of the snapshot is wrong/],
    [text.replace(/.*value 7.*\n/, ''), /has 19 records, its end says 20/],
    [`${text}["a","b"]\n`, /goes on after its end/],
    [text.slice(text.indexOf('\n') + 1), /this is no snapshot/],
    [text.replace('"format":1', '"format":2'), /newer program/],
  ]
  for (const [changed, reason] of cases) await assert.rejects(read(Buffer.from(changed)), reason, changed.slice(0, 40))
})
