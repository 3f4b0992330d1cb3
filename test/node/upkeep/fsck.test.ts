import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { FsckLine } from '../../../protocol/upkeep.ts'
import { cellTexts, packages, postings } from '../../../src/domain/cells/records.ts'
import { KEYSPACES, type KeyspaceNumber, textKeyspace } from '../../../src/kernel/storage/keyspaces.ts'
import { Store, type Transaction } from '../../../src/kernel/storage/store.ts'
import { collectGarbage } from '../../../src/node/upkeep/collect-garbage.ts'
import { openStoppedNode } from '../../../src/node/upkeep/stopped-node.ts'
import { openBlobs, temporaryFolder } from '../../support/cells.ts'
import { nodeInProcess, registerBytes } from '../../support/node-pairs.ts'

const signal = new AbortController().signal

/** The data of a stopped node that holds one document, changed by `damage`. */
async function damaged(t: TestContext, damage: (tx: Transaction, id: string) => void) {
  const { node, config, dataDir, stop } = await nodeInProcess(t)
  const capabilities = [{ name: 'use-kept', version: '1.0.0' }]
  const metadata = {
    cell_type: 'kept',
    version: '1.0.0',
    capabilities,
    packaging_format: 'document',
    media_type: 'text/plain',
  }
  const { cellId } = await registerBytes(node, Buffer.from('The text of kept.'), { metadata: metadata as never })
  await stop()
  const store = await Store.open(join(dataDir, 'store'), { createIfMissing: false })
  await store.transact((tx) => damage(tx, cellId))
  await store.close()
  return {
    async check(repair = false) {
      const opened = await openStoppedNode(config)
      try {
        return found(await Array.fromAsync(opened.fsck(repair, signal)))
      } finally {
        await opened.close()
      }
    },
  }
}

const found = (lines: readonly FsckLine[]): string[] =>
  lines.flatMap((line) => (line.type === 'finding' ? [`${line.stage}: ${line.problem}`] : []))

test('a list that lost a cell, or names one that is gone, is found and made anew', async (t) => {
  const { check } = await damaged(t, (tx) => {
    const list = tx.get(postings, 'c:use-kept')!
    tx.delete(postings, 't:kept')
    tx.put(postings, 'c:use-kept', [...list, { ...list[0]!, id: 'f'.repeat(64) }])
  })
  const expected = [
    'cells: it stands 0 times on the list t:kept',
    `indexes: it names the cell ${'f'.repeat(64)}, which does not belong there`,
  ]
  assert.deepEqual(await check(), expected)
  assert.deepEqual(await check(true), expected)
  assert.deepEqual(await check(), [], 'what was mended is well')
})

test('a package that counts its cells wrongly is found and mended', async (t) => {
  const { check } = await damaged(t, (tx, id) => {
    const digest = (JSON.parse(tx.get(cellTexts, id)!.split('\n')[0]!) as { manifest: { package: { digest: string } } })
      .manifest.package.digest
    const hex = digest.slice('sha256:'.length)
    tx.put(packages, hex, { ...tx.get(packages, hex)!, refs: 7 })
  })
  assert.deepEqual(await check(true), ['indexes: it counts 7 cells, and has 1'])
  assert.deepEqual(await check(), [])
})

test('a manifest that was changed does not verify, and is not mended', async (t) => {
  const { check } = await damaged(t, (tx, id) => {
    tx.put(cellTexts, id, tx.get(cellTexts, id)!.replace('"version":"1.0.0"', '"version":"1.0.1"'))
  })
  assert.match((await check(true))[0]!, /^cells: it does not verify: its manifest is that of another cell/)
  assert.match((await check())[0]!, /^cells: it does not verify/)
})

test('a record that no release had is found', async (t) => {
  const { check } = await damaged(t, (tx) => tx.put(textKeyspace(1295 as KeyspaceNumber), 'x', 'y'))
  assert.deepEqual(await check(), ['records: no release had such records'])
})

test('a leaf of the log that was changed is found', async (t) => {
  const { check } = await damaged(t, (tx) => {
    const leaves = textKeyspace(KEYSPACES.logLeaves)
    const key = `!${(0).toString(36).padStart(11, '0')}`
    tx.put(leaves, key, tx.get(leaves, key)!.replace('register', 'registre'))
  })
  const problems = await check()
  assert.ok(
    problems.some((problem) => /^logs: .*(is damaged|do not make up the root)/.test(problem)),
    problems.join('\n'),
  )
})

test('garbage is what has no owner: a dry run only says so', async (t) => {
  const folder = await temporaryFolder(t)
  const store = await Store.open(join(folder, 'store'), { createIfMissing: true })
  t.after(() => store.close())
  await mkdir(join(folder, 'blobs'))
  const blobs = await openBlobs(join(folder, 'blobs'))
  t.after(() => blobs.close())
  const sessions = textKeyspace(KEYSPACES.sessions)
  const turns = textKeyspace(KEYSPACES.turns)
  await store.transact((tx) => {
    tx.put(sessions, 'here', '{}')
    tx.put(turns, 'here!conversation!1', 'kept')
    tx.put(turns, 'gone!conversation!1', 'sealed')
  })
  const parts = { store, blobs, isPackageNamed: () => false, signal }
  const seen = { found: [{ what: 'turns without session', count: 1, bytes: 6 }], count: 1, bytes: 6 }
  assert.deepEqual(await collectGarbage(parts, true), { dry_run: true, ...seen })
  assert.deepEqual(await collectGarbage(parts, false), { dry_run: false, ...seen })
  assert.equal(store.get(turns, 'gone!conversation!1'), undefined)
  assert.equal(store.get(turns, 'here!conversation!1'), 'kept')
  assert.equal((await collectGarbage(parts, true)).count, 0)
})
