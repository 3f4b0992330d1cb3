import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { softwareVersion } from '../../src/kernel/config/package-files.ts'
import { KEYSPACES, textKeyspace } from '../../src/kernel/storage/keyspaces.ts'
import { newestSchema } from '../../src/kernel/storage/migrations.ts'
import { Store } from '../../src/kernel/storage/store.ts'
import { cytoplex } from '../cli/launch.ts'
import { nodeProcess, requestCell, temporaryFolder } from '../support/processes.ts'
import { releases, unpackRelease } from '../support/release-fixtures.ts'

const stored = await releases()

test('the data of this version is stored for later ones', () => {
  assert.ok(stored.includes(softwareVersion()), 'run: node scripts/release-fixture.ts')
})

for (const version of stored) {
  test(`data of ${version} is opened, and everything in it is there`, async (t) => {
    const folder = await temporaryFolder(t)
    await unpackRelease(version, folder)
    const dataDir = join(folder, 'data')
    const node = await nodeProcess(t, { dataDir })
    const found = await requestCell(node, 'use-kept')
    assert.equal(found.status, 200)
    const bytes = await fetch(found.body.cell!.download_url)
    assert.equal(await bytes.text(), 'A cell that this release stored.')
    assert.equal((await requestCell(node, 'use-depending')).status, 200)
    assert.equal((await requestCell(node, 'use-withdrawn', undefined, 1)).status, 404, 'a yank stays')
    const admin = { headers: { 'X-API-Key': node.adminKey } }
    const keys = (await (await fetch(`${node.http_url}/api/v1/keys`, admin)).json()) as { total: number }
    assert.equal(keys.total, 1)
    const { policies } = (await (await fetch(`${node.http_url}/api/v1/replication/policies`, admin)).json()) as {
      policies: unknown[]
    }
    assert.equal(policies.length, 1)
    await node.stop()

    const checked = await cytoplex(['fsck', '--data-dir', dataDir])
    assert.deepEqual([checked.code, checked.stderr], [0, ''], checked.stdout)
    const store = await Store.open(join(dataDir, 'store'), { createIfMissing: false })
    const meta = textKeyspace(KEYSPACES.meta)
    assert.equal(store.get(meta, 'schema_version'), String(newestSchema()))

    await store.transact((tx) => tx.put(meta, 'schema_version', String(newestSchema() + 1)))
    await store.close()
    const newer = await cytoplex(['start', '--data-dir', dataDir, '--http-port', '0', '--p2p-port', '0'])
    assert.equal(newer.code, 1)
    assert.match(
      newer.stderr,
      /^cytoplex: the store has schema version \d+, this program knows versions up to \d+: start it with the newer program, or restore a backup\n$/,
    )
  })
}
