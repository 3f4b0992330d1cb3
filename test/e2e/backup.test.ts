import assert from 'node:assert/strict'
import { cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { NodeProcess } from '../../scripts/nodes.ts'
import { cytoplex } from '../cli/launch.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, requestCell, temporaryFolder, upload } from '../support/processes.ts'

const small = await readFile(SMALL_MODULE)
/** A module with a custom section, so that its bytes are others. */
const variant = (text: string): Buffer => {
  const content = Buffer.from(`\x01x${text}`)
  return Buffer.concat([small, Buffer.from([0, content.length]), content])
}

const register = async (node: NodeProcess, name: string, bytes: Uint8Array) => {
  const metadata = { cell_type: name, version: '1.0.0', capabilities: [{ name: `use-${name}`, version: '1.0.0' }] }
  const response = await upload(node, metadata, bytes)
  assert.equal(response.status, 201, await response.text())
}

async function backup(node: NodeProcess, folder: string, ...more: string[]) {
  const { code, stdout, stderr } = await cytoplex(['backup', folder, '--data-dir', node.dataDir, '--json', ...more])
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as Record<string, unknown>
}

const leaves = async (node: NodeProcess) => {
  const response = await fetch(`${node.http_url}/api/v1/log/checkpoint`)
  return (await response.text()).split('\n')
}

async function withPassphrase(t: TestContext): Promise<{ folder: string; passphrase: string }> {
  const folder = await temporaryFolder(t)
  const passphrase = join(folder, 'passphrase')
  await writeFile(passphrase, 'correct horse battery staple\n')
  return { folder, passphrase }
}

test('a node is backed up while it runs, again without copying twice, and restored elsewhere', async (t) => {
  const { folder, passphrase } = await withPassphrase(t)
  const node = await nodeProcess(t, { dataDir: join(folder, 'data') })
  const backups = join(folder, 'backups')
  await register(node, 'one', small)
  const first = await backup(node, backups, '--with-keys', '--passphrase-file', passphrase)
  assert.deepEqual([first.packages, first.copied, first.with_keys, first.lost], [1, 1, true, []])

  await register(node, 'two', variant('two'))
  const second = await backup(node, backups, '--with-keys', '--passphrase-file', passphrase)
  assert.deepEqual([second.packages, second.copied], [2, 1], 'what an earlier backup has is not copied again')
  await register(node, 'three', variant('three'))
  const [origin] = await leaves(node)
  await node.stop()

  const dataDir = join(folder, 'elsewhere')
  const keyDir = join(folder, 'elsewhere.keys')
  const where = ['--data-dir', dataDir, '--key-dir', keyDir]
  const wrong = join(folder, 'wrong')
  await writeFile(wrong, 'another passphrase altogether\n')
  const refused = await cytoplex(['restore', backups, ...where, '--passphrase-file', wrong])
  assert.deepEqual(
    [refused.code, refused.stderr],
    [1, 'cytoplex: the passphrase does not open the keys of this backup\n'],
  )

  const restored = await cytoplex(['restore', backups, ...where, '--passphrase-file', passphrase])
  assert.equal(restored.code, 0, restored.stderr)
  assert.match(restored.stdout, /all verified/)
  assert.equal((await stat(join(keyDir, 'identity.json'))).mode & 0o777, 0o600)
  const again = await cytoplex(['restore', backups, ...where, '--passphrase-file', passphrase])
  assert.equal(again.code, 1)
  assert.match(again.stderr, /is not empty/)

  const moved = await nodeProcess(t, { dataDir, env: { CYTOPLEX_KEY_DIR: keyDir } })
  assert.equal(moved.provider_id, node.provider_id)
  for (const name of ['one', 'two']) assert.equal((await requestCell(moved, `use-${name}`)).status, 200)
  assert.equal((await requestCell(moved, 'use-three', undefined, 1)).status, 404, 'it came after the backup')
  const [after] = await leaves(moved)
  assert.notEqual(after, origin, 'what was signed since the backup is not contradicted: the log goes on in a new epoch')
  await moved.stop()

  const health = await cytoplex(['fsck', '--data-dir', dataDir, '--key-dir', keyDir])
  assert.equal(health.code, 0, health.stdout + health.stderr)
  assert.match(health.stdout, /all is well/)
})

test('a backup is refused that was changed, and nothing of it is left behind', async (t) => {
  const folder = await temporaryFolder(t)
  const node = await nodeProcess(t, { dataDir: join(folder, 'data') })
  const backups = join(folder, 'backups')
  await register(node, 'one', small)
  const { id } = await backup(node, backups)
  await node.stop()
  const dataDir = join(folder, 'restored')
  const restore = async () => {
    const where = ['--data-dir', dataDir, '--key-dir', join(folder, 'data.keys')]
    const { code, stderr } = await cytoplex(['restore', backups, ...where])
    assert.deepEqual(await readdir(dataDir).catch(() => []), [], stderr)
    return [code, stderr] as const
  }
  const tamper = async (path: string, change: (bytes: Buffer) => Buffer, reason: RegExp) => {
    const kept = await readFile(path)
    await writeFile(path, change(Buffer.from(kept)))
    const [code, stderr] = await restore()
    assert.equal(code, 1)
    assert.match(stderr, reason)
    await writeFile(path, kept)
  }
  const flip = (bytes: Buffer): Buffer => {
    bytes[bytes.length >> 1]! ^= 1
    return bytes
  }
  const at = join(backups, 'snapshots', String(id))
  await tamper(join(at, 'store.jsonl.gz'), flip, /was changed: its digest is wrong/)
  await tamper(join(at, 'packages.txt'), flip, /was changed|is missing/)
  await tamper(join(at, 'manifest.json'), () => Buffer.from('{'), /is damaged/)
  const [shard] = await readdir(join(backups, 'packages'))
  const [digest] = await readdir(join(backups, 'packages', shard!))
  await tamper(join(backups, 'packages', shard!, digest!), flip, /was changed/)
  const foreign = await cytoplex(['backup', folder, '--data-dir', join(folder, 'data')])
  assert.equal(foreign.code, 1)
  assert.match(foreign.stderr, /holds other things than backups/)

  const ok = await cytoplex(['restore', backups, '--data-dir', dataDir, '--key-dir', join(folder, 'data.keys')])
  assert.equal(ok.code, 0, ok.stderr)
})

test('only the newest backups stay when that is asked for, with all packages that they need', async (t) => {
  const folder = await temporaryFolder(t)
  const dataDir = join(folder, 'data')
  const backups = join(folder, 'backups')
  const node = await nodeProcess(t, { dataDir })
  await register(node, 'one', small)
  const ids = [(await backup(node, backups)).id, (await backup(node, backups)).id]
  // What a backup that was interrupted has left.
  const digest = `ab${'0'.repeat(62)}`
  const left = join(backups, 'packages', 'ab')
  await mkdir(left, { recursive: true })
  await writeFile(join(left, digest), 'left')

  // Another process makes a backup there, and may count on it.
  const running = join(backups, 'snapshots', `.unfinished-${process.pid}`)
  await mkdir(running)
  const third = await backup(node, backups, '--keep', '2')
  assert.deepEqual(third.removed, { backups: [ids[0]], packages: 0, bytes: 0 })
  await rm(running, { recursive: true })

  const fourth = await backup(node, backups, '--keep', '1')
  assert.deepEqual(fourth.removed, { backups: [ids[1], third.id], packages: 1, bytes: 4 })
  assert.deepEqual(await readdir(join(backups, 'snapshots')), [fourth.id])
  await node.stop()
  await rm(dataDir, { recursive: true })
  const restored = await cytoplex(['restore', backups, '--data-dir', dataDir])
  assert.equal(restored.code, 0, restored.stderr)
  assert.match(restored.stdout, /all verified/)
  const none = await cytoplex(['backup', backups, '--data-dir', dataDir, '--keep', '0'])
  assert.equal(none.code, 2)
  assert.match(none.stderr, /--keep/)
})

test('a node that was stopped is backed up from its data, and goes on where it was with its own keys', async (t) => {
  const folder = await temporaryFolder(t)
  const dataDir = join(folder, 'data')
  const node = await nodeProcess(t, { dataDir })
  await register(node, 'one', small)
  const [origin, size] = await leaves(node)
  await node.stop()
  const backups = join(folder, 'backups')
  const done = await backup(node, backups)
  assert.equal(done.packages, 1)
  await rename(dataDir, join(folder, 'lost'))
  const restored = await cytoplex(['restore', backups, '--data-dir', dataDir])
  assert.equal(restored.code, 0, restored.stderr)
  const again = await nodeProcess(t, { dataDir })
  const [after, sizeAfter] = await leaves(again)
  assert.deepEqual(
    [after, sizeAfter],
    [origin, size],
    'nothing was signed since, as its keys remember: the epoch stays',
  )
})

test('fsck finds a damaged package, and fetches it from a peer', async (t) => {
  const folder = await temporaryFolder(t)
  const a = await nodeProcess(t, { dataDir: join(folder, 'a') })
  const b = await nodeProcess(t, { dataDir: join(folder, 'b'), seeds: a.p2p_addrs })
  await register(a, 'one', small)
  const { untilAnswered } = await import('../support/processes.ts')
  const { digest, download_url: url } = await untilAnswered(b, 'use-one')
  await (await fetch(url)).arrayBuffer()
  const hex = digest.slice('sha256:'.length)
  const path = join(a.dataDir, 'blobs', hex.slice(0, 1), hex)
  await writeFile(path, Buffer.from('damaged'))

  const found = await cytoplex(['fsck', '--data-dir', a.dataDir])
  assert.equal(found.code, 1)
  assert.match(found.stdout, new RegExp(`wrong {3}package ${digest}: it has 7 bytes`))
  const mended = await cytoplex(['fsck', '--data-dir', a.dataDir, '--repair'])
  assert.deepEqual([mended.code, mended.stderr], [0, ''], mended.stdout)
  assert.deepEqual(await readFile(path), small)

  await rm(path)
  const garbage = 'f'.repeat(64)
  await mkdir(join(a.dataDir, 'blobs', 'f'), { recursive: true })
  await cp(SMALL_MODULE, join(a.dataDir, 'blobs', 'f', garbage))
  const lost = await cytoplex(['backup', join(folder, 'backups'), '--data-dir', a.dataDir])
  assert.equal(lost.code, 1)
  assert.match(lost.stderr, /whole but for 1 packages that this node has lost/)
  const shown = await cytoplex(['gc', '--data-dir', a.dataDir, '--json'])
  assert.deepEqual(JSON.parse(shown.stdout).found, [{ what: 'packages without cell', count: 1, bytes: small.length }])
  assert.equal((await cytoplex(['gc', '--data-dir', a.dataDir, '--remove'])).code, 0)
  assert.equal((await cytoplex(['gc', '--data-dir', a.dataDir])).stdout, 'Everything is referred to.\n')
})
