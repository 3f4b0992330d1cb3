import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { BundleReport } from '../../protocol/upkeep.ts'
import type { NodeProcess } from '../../scripts/nodes.ts'
import { cytoplex } from '../cli/launch.ts'
import { nodeProcess, requestCell, temporaryFolder, upload } from '../support/processes.ts'

async function register(node: NodeProcess, name: string, dependencies: object[] = []) {
  const capabilities = [{ name: `use-${name}`, version: '1.0.0' }]
  const metadata = {
    cell_type: name,
    version: '1.0.0',
    capabilities,
    dependencies,
    packaging_format: 'document',
    media_type: 'text/plain',
  }
  const response = await upload(node, metadata, Buffer.from(`The text of ${name}.`))
  assert.equal(response.status, 201, await response.text())
}

const dependsOn = (name: string) => [{ capability: `use-${name}`, version_constraint: '^1.0.0' }]

async function taken(node: NodeProcess, file: string, ...more: string[]) {
  const { code, stdout, stderr } = await cytoplex(['import', file, '--data-dir', node.dataDir, '--json', ...more])
  return { code, stderr, report: (stdout === '' ? undefined : JSON.parse(stdout)) as BundleReport }
}

const counts = ({ added, known, refused }: BundleReport) => [added, known, refused]

test('cells travel in a file, with what they depend on, and arrive verified at a node without peers', async (t) => {
  const folder = await temporaryFolder(t)
  const a = await nodeProcess(t, { dataDir: join(folder, 'a') })
  const b = await nodeProcess(t, { dataDir: join(folder, 'b') })
  await register(a, 'base')
  await register(a, 'middle', dependsOn('base'))
  await register(a, 'top', [...dependsOn('middle'), ...dependsOn('nowhere')])
  await register(a, 'other')
  const file = join(folder, 'top.tar')
  const written = await cytoplex(['export', 'top', '-o', file, '--data-dir', a.dataDir])
  assert.equal(written.code, 0, written.stderr)
  const unknown = await cytoplex(['export', 'nothing-here', '-o', join(folder, 'none.tar'), '--data-dir', a.dataDir])
  assert.equal(unknown.code, 3, 'not found')

  const dry = await taken(b, file, '--dry-run')
  assert.deepEqual([dry.code, dry.report.dry_run, ...counts(dry.report)], [0, true, 3, 0, 0])
  assert.deepEqual(dry.report.bundle.missing, ['use-nowhere ^1.0.0'])
  assert.equal((await requestCell(b, 'use-top', undefined, 1)).status, 404, 'a dry run keeps nothing')

  const first = await taken(b, file)
  assert.deepEqual([first.code, ...counts(first.report)], [0, 3, 0, 0], first.stderr)
  for (const name of ['base', 'middle', 'top']) {
    const { status, body } = await requestCell(b, `use-${name}`)
    assert.equal(status, 200, name)
    assert.equal(await (await fetch(body.cell!.download_url)).text(), `The text of ${name}.`)
  }
  assert.equal((await requestCell(b, 'use-other', undefined, 1)).status, 404, 'nobody asked for it')
  const again = await taken(b, file)
  assert.deepEqual([again.code, ...counts(again.report)], [0, 0, 3, 0], 'it may be imported again')

  const list = await fetch(`${b.http_url}/api/v1/repository/cells`)
  assert.equal(
    ((await list.json()) as { total_count: number }).total_count,
    0,
    'names belong to nobody because of a bundle',
  )
  const since = join(folder, 'checkpoint')
  await writeFile(since, first.report.bundle.log.checkpoint)
  await register(a, 'later', dependsOn('base'))
  const delta = join(folder, 'delta.tar')
  assert.equal((await cytoplex(['export', '--since', since, '-o', delta, '--data-dir', a.dataDir])).code, 0)
  const update = await taken(b, delta)
  assert.deepEqual(
    update.report.items.map(({ name, outcome }) => [name, outcome]),
    [['later@1.0.0', 'added']],
    'only what came since',
  )
  await b.stop()
  const restarted = await nodeProcess(t, { dataDir: b.dataDir })
  assert.equal((await requestCell(restarted, 'use-later')).status, 200)
  const checked = await cytoplex(['fsck', '--data-dir', b.dataDir])
  assert.equal(checked.code, 0, checked.stdout)
})

test('a bundle that was changed is refused where it was changed, and says so', async (t) => {
  const folder = await temporaryFolder(t)
  const a = await nodeProcess(t, { dataDir: join(folder, 'a') })
  const b = await nodeProcess(t, { dataDir: join(folder, 'b') })
  await register(a, 'first')
  await register(a, 'second')
  const file = join(folder, 'all.tar')
  assert.equal((await cytoplex(['export', '-o', file, '--data-dir', a.dataDir])).code, 0)
  const whole = await readFile(file)
  const changed = async (change: (text: string) => string) => {
    const path = join(folder, 'changed.tar')
    await writeFile(path, Buffer.from(change(whole.toString('latin1')), 'latin1'))
    return await taken(b, path)
  }
  const packaged = await changed((text) => text.replace('The text of first.', 'The text of FIRST.'))
  assert.deepEqual([packaged.code, ...counts(packaged.report)], [1, 1, 0, 1])
  assert.match(
    packaged.report.items.find(({ outcome }) => outcome === 'refused')!.reason!,
    /its package has the digest/,
  )
  const manifest = await changed((text) => text.replaceAll('"cell_type":"first"', '"cell_type":"thirs"'))
  assert.deepEqual([manifest.code, manifest.report.refused], [1, 1])
  assert.equal((await requestCell(b, 'use-first', undefined, 1)).status, 404)

  const cut = await changed((text) => text.slice(0, 3000))
  assert.deepEqual([cut.code, cut.report], [1, undefined])
  assert.match(cut.stderr, /this is no whole bundle/)
  const foreign = await changed((text) => text.replace('bundle.json', 'bandle.json'))
  assert.match(foreign.stderr, /this is no whole bundle/, 'the head of an entry has a checksum')
  assert.equal(foreign.code, 1)
  const otherNetwork = await nodeProcess(t, { dataDir: join(folder, 'c'), args: ['--network', 'elsewhere'] })
  const elsewhere = await taken(otherNetwork, file)
  assert.match(elsewhere.stderr, /the bundle is of the network \\"main\\", this node of \\"elsewhere\\"/)
  const ok = await taken(b, file)
  assert.deepEqual([ok.code, ok.report.refused], [0, 0])
})
