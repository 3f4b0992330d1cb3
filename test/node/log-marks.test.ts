import assert from 'node:assert/strict'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { it, type TestContext } from 'node:test'
import { systemClock } from '../../src/kernel/base/clock.ts'
import { openKeyDirectory } from '../../src/kernel/identity/key-directory.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { verifyEpoch } from '../../src/kernel/log/epoch.ts'
import { MerkleLog } from '../../src/kernel/log/merkle-log.ts'
import { KEYSPACES, textKeyspace } from '../../src/kernel/storage/keyspaces.ts'
import { Store } from '../../src/kernel/storage/store.ts'
import { LogEpochs } from '../../src/node/flows/log-epochs.ts'
import { checkLogs, LogMarks } from '../../src/node/flows/log-marks.ts'
import type { RunningNode } from '../../src/node/node.ts'
import { fill } from '../kernel/log/logs.ts'
import { NETWORK } from '../support/cells.ts'
import { temporaryFolder } from '../support/folders.ts'
import { nodeInProcess } from '../support/node-pairs.ts'

const GOAL = 'goal/fast'

/** The parts that marks work with, on a store that a test may replace by an older copy of it. */
async function marked(t: TestContext, folder: string) {
  const keyDir = join(folder, 'keys')
  await mkdir(keyDir, { recursive: true, mode: 0o700 })
  const keys = openKeyDirectory(keyDir, { network: NETWORK, allowCreate: true, clock: systemClock })
  const store = await Store.open(join(folder, 'store'), { createIfMissing: true })
  const warned: unknown[] = []
  const logger = { warn: (what: unknown) => warned.push(what), error: (what: unknown) => assert.fail(String(what)) }
  const events = { emit: () => undefined }
  const config = { key_dir: keyDir, data_dir: folder, network: { name: NETWORK } }
  const log = new MerkleLog(store, '')
  const parts = { store, log, keys, config, logger, events, clock: systemClock } as never
  const epochs = new LogEpochs(parts)
  const marks = new LogMarks(parts, epochs)
  const close = async () => {
    await marks.stop()
    await store.close()
  }
  t.after(close)
  return { store, keys, log, goal: new MerkleLog(store, GOAL), epochs, marks, warned, close, keyDir }
}

/** What a first run leaves: `own` and `goal` leaves, of which a backup is taken with two leaves less each. */
async function restored(t: TestContext, leaves: { own: [number, number]; goal: [number, number] }) {
  const folder = await temporaryFolder(t)
  const first = await marked(t, folder)
  await first.marks.start()
  await fill(first.store, first.log, leaves.own[0])
  await fill(first.store, first.goal, leaves.goal[0])
  await first.close()
  await cp(join(folder, 'store'), join(folder, 'backup'), { recursive: true })
  const second = await marked(t, folder)
  await second.marks.start()
  await fill(second.store, second.log, leaves.own[1])
  await fill(second.store, second.goal, leaves.goal[1])
  await second.close()
  await rm(join(folder, 'store'), { recursive: true })
  await cp(join(folder, 'backup'), join(folder, 'store'), { recursive: true })
  return { folder, after: await marked(t, folder) }
}

it('logs that are where they were go on as they are', async (t) => {
  const { after } = await restored(t, { own: [3, 3], goal: [5, 5] })
  await after.marks.start()
  assert.deepEqual([after.epochs.newest, after.warned], [1, []])
})

it("a store behind the node's own log opens an epoch at its start, which anybody can verify, and only once", async (t) => {
  const { folder, after } = await restored(t, { own: [3, 6], goal: [5, 5] })
  await after.marks.start()
  const { epochs, keys } = after
  assert.equal(epochs.newest, 2)
  const superseded = verifyEpoch(nativeVerifier, NETWORK, epochs.statement!)
  assert.deepEqual([superseded.size, superseded.epoch], [6, 1])
  assert.equal(epochs.statement!.size, 3)
  assert.equal(epochs.origin, `${keys.providerId}/log.2`)
  assert.equal(after.warned.length, 1)
  await after.close()

  const again = await marked(t, folder)
  await again.marks.start()
  assert.deepEqual([again.epochs.newest, again.warned], [2, []])
})

it("a store behind the log of a goal alone opens an epoch too: all logs of a node have the node's", async (t) => {
  const { after } = await restored(t, { own: [3, 3], goal: [5, 9] })
  await after.marks.start()
  assert.equal(after.epochs.newest, 2)
  assert.equal(verifyEpoch(nativeVerifier, NETWORK, after.epochs.statement!).size, 3)
  assert.deepEqual((after.warned[0] as { logs: unknown }).logs, [{ name: GOAL, had: 9, has: 5 }])
})

it('a log of a goal that is gone, and one that has another history, are found as well', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await marked(t, folder)
  await first.marks.start()
  await fill(first.store, first.goal, 4)
  await first.close()
  await rm(join(folder, 'store'), { recursive: true })
  const second = await marked(t, folder)
  await second.store.transact((tx) => {
    for (let i = 0; i < 5; i++) second.goal.append(tx, new Uint8Array([i]))
  })
  await second.marks.start()
  assert.equal(second.epochs.newest, 2)
})

it('marks that are damaged stop the node: it could not know what it has signed', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await marked(t, folder)
  await first.marks.start()
  await fill(first.store, first.log, 1)
  await first.close()
  const file = join(first.keyDir, 'log-marks.json')
  const text = await readFile(file, 'utf8')
  assert.equal(JSON.parse(text).logs[''].size, 1)
  for (const wrong of ['', '{', text.replace('"format":1', '"format":2'), text.replace('"size":1', '"size":-1')]) {
    await writeFile(file, wrong)
    const { marks, close } = await marked(t, folder)
    await assert.rejects(marks.start(), { name: 'StartError', message: /log-marks\.json is damaged/ })
    await close()
    assert.equal(await readFile(file, 'utf8'), wrong)
  }
})

it('a log that is damaged at its end stops the node, whichever log it is', async (t) => {
  for (const name of ['', GOAL]) {
    const { store } = await marked(t, await temporaryFolder(t))
    await fill(store, new MerkleLog(store, name), 11)
    await checkLogs(store, '/data')
    const space = textKeyspace(KEYSPACES.logHashes)
    for await (const [key, text] of store.scan(space)) {
      // The last but one of 19 hashes is a peak: the tenth leaf completes it.
      const bytes = Buffer.from(text, 'base64url')
      assert.equal(bytes.length, 19 * 32)
      bytes[17 * 32]! ^= 1
      await store.transact((tx) => tx.put(space, key, bytes.toString('base64url')))
    }
    await assert.rejects(checkLogs(store, '/data'), {
      name: 'StartError',
      message: /^the log "(goal\/fast)?" is damaged: .*\. Restore \/data\/store from a backup$/,
    })
  }
})

const newest = (node: RunningNode) => node.log.epochs({}).epoch

it('a whole node whose data was restored says so before it serves anything, with nobody to tell it', async (t) => {
  const dataDir = join(await temporaryFolder(t), 'data')
  const backup = join(await temporaryFolder(t), 'backup')
  const append = (node: RunningNode, name: string) => node.keys.create({ role: 'reader', name }, 'admin')
  const first = await nodeInProcess(t, { dataDir })
  await append(first.node, 'one')
  await first.stop()
  await cp(dataDir, backup, { recursive: true })
  const second = await nodeInProcess(t, { dataDir })
  assert.equal(newest(second.node), 1)
  await append(second.node, 'two')
  await second.stop()
  await rm(dataDir, { recursive: true })
  await cp(backup, dataDir, { recursive: true })
  const third = await nodeInProcess(t, { dataDir })
  assert.equal(newest(third.node), 2)
  assert.match(third.node.log.checkpoint(), /^12D3\w+\/log\.2\n2\n/)
})
