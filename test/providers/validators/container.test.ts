import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, describe, it } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { ContainerReport } from '../../../protocol/annotations.ts'
import { createContainerValidator } from '../../../src/providers/validators/container.ts'
import { type Descriptor, exampleLayout, headerBlock, Layout, sha256, type TarEntry, tar } from './archives.ts'

const MIB = 1024 * 1024
const IMAGE_LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'
const INDEX = 'application/vnd.oci.image.index.v1+json'

const validator = createContainerValidator(new AbortController().signal, {})
after(() => validator.close())

const check = (bytes: Uint8Array) =>
  validator.validate(Uint8Array.from(bytes), {
    size: bytes.length,
    format: 'container',
    mediaType: 'application/x-tar',
  })

const codesOf = async (bytes: Uint8Array) => (await check(bytes)).issues.map((issue) => issue.code)

const codes = async (layout: Layout) => codesOf(await layout.pack())

/** A layout with one image of one layer with these entries. */
async function withLayer(...entries: TarEntry[]): Promise<Layout> {
  const layout = new Layout()
  const archive = await tar(...entries)
  layout.image([layout.layer(archive)], [`sha256:${sha256(archive)}`])
  return layout
}

describe('good layouts', () => {
  it('with layers of every compression are opened whole', async () => {
    const { issues, passed, report } = await check(await (await exampleLayout()).pack())
    assert.deepEqual(issues, [])
    assert.deepEqual(passed, ['archive_frame', 'archive_paths', 'oci_digests', 'oci_layout', 'oci_index', 'oci_layers'])
    const { unpacked_bytes, ...rest } = report as ContainerReport
    assert.deepEqual(rest, { kind: 'container', platforms: ['linux/amd64'], manifests: 1, layers: 3, entries: 14 })
    assert.ok(unpacked_bytes > 300_000)
  })

  it('may have indexes in indexes, and the same layer in several images', async () => {
    const layout = new Layout()
    const archive = await tar(['file', 'content'])
    const layer = layout.layer(archive)
    for (const architecture of ['amd64', 'arm64']) {
      layout.image([layer], [`sha256:${sha256(archive)}`], { os: 'linux', architecture, variant: 'v8' })
    }
    const nested = layout.document(INDEX, layout.index())
    layout.manifests.splice(0, 2, nested)
    const { issues, report } = await check(await layout.pack())
    assert.deepEqual(issues, [])
    assert.deepEqual((report as ContainerReport).platforms, ['linux/amd64/v8', 'linux/arm64/v8'])
    assert.equal((report as ContainerReport).manifests, 2)
    assert.equal((report as ContainerReport).layers, 1)
  })

  it('may hold other artifacts, whose blobs are not opened', async () => {
    const layout = new Layout()
    const config = layout.blob('application/vnd.oci.empty.v1+json', '{}')
    const broken = layout.blob('application/vnd.example.data', gzipSync('no archive'))
    const manifest = { schemaVersion: 2, artifactType: 'application/vnd.example', config, layers: [broken] }
    layout.manifests.push(layout.document('application/vnd.oci.image.manifest.v1+json', manifest))
    assert.deepEqual(await codes(layout), [])
  })

  it('may come in any order, with files beside them, and with frames of zstd that follow each other', async () => {
    const layout = new Layout()
    const archive = await tar(['file', Buffer.alloc(5000, 1)])
    const frames = Buffer.concat([
      zstdCompressSync(archive.subarray(0, 3000)),
      zstdCompressSync(archive.subarray(3000)),
    ])
    const layer = layout.blob('application/vnd.oci.image.layer.v1.tar+zstd', frames)
    layout.image([layer], [`sha256:${sha256(archive)}`])
    layout.files.set('manifest.json', '[]')
    const files = [...layout.files].reverse()
    const bytes = await tar(['index.json', JSON.stringify(layout.index())], ...files)
    assert.deepEqual((await check(bytes)).issues, [])
  })

  it('are warned of blobs that nothing refers to', async () => {
    const layout = await exampleLayout()
    layout.blob('', 'stray')
    layout.blob('', gzipSync('another stray'))
    const { issues, report } = await check(await layout.pack())
    assert.deepEqual(
      issues.map(({ severity, code }) => [severity, code]),
      [['warning', 'OCI_UNREFERENCED']],
    )
    assert.match(issues[0]?.message ?? '', /^2 blobs/)
    assert.notEqual(report, null)
  })
})

describe('documents', () => {
  it('of the layout must be there and be of its version', async () => {
    const layout = await exampleLayout()
    layout.files.set('oci-layout', '{"imageLayoutVersion":"2.0.0"}')
    assert.deepEqual(await codes(layout), ['OCI_LAYOUT'])
    layout.files.delete('oci-layout')
    assert.deepEqual(await codes(layout), ['OCI_LAYOUT'])
    assert.deepEqual(await codesOf(await tar(['oci-layout', '{"imageLayoutVersion":"1.0.0"}'])), ['OCI_INDEX'])
  })

  it('that are no index are refused', async () => {
    for (const index of [
      '[]',
      '{',
      '{"schemaVersion":1,"manifests":[]}',
      '{"schemaVersion":2}',
      '{"schemaVersion":2,"manifests":[]}',
    ]) {
      const layout = await exampleLayout()
      layout.files.set('index.json', index)
      assert.ok((await codes(layout)).includes('OCI_INDEX'), index)
    }
  })

  it('with descriptors that say too little are refused', async () => {
    const [good] = (await exampleLayout()).manifests
    assert.ok(good)
    for (const change of [{ mediaType: 'manifest' }, { digest: 'md5:00' }, { size: -1 }, { size: 1.5 }]) {
      const layout = await exampleLayout()
      layout.manifests[0] = { ...good, ...change }
      assert.deepEqual(
        (await codes(layout)).filter((code) => code !== 'OCI_UNREFERENCED'),
        ['OCI_INDEX'],
      )
    }
  })

  it('nested too deeply are refused, and those that are there twice are read once', async () => {
    const layout = await exampleLayout()
    for (let depth = 0; depth < 10; depth++) {
      const nested = layout.document(INDEX, layout.index())
      layout.manifests.splice(0, layout.manifests.length, nested, nested)
    }
    assert.deepEqual(
      (await codes(layout)).filter((code) => code !== 'OCI_UNREFERENCED'),
      ['OCI_INDEX'],
    )
  })

  it('that are no manifest are refused', async () => {
    for (const manifest of ['no JSON', '{"schemaVersion":2}', '{"schemaVersion":2,"layers":[]}']) {
      const layout = new Layout()
      layout.manifests.push(layout.blob('application/vnd.oci.image.manifest.v1+json', manifest))
      assert.deepEqual(await codes(layout), ['OCI_MANIFEST'], manifest)
    }
  })

  it('without a platform are refused', async () => {
    const layout = new Layout()
    layout.image([], [], { os: 'linux' })
    assert.deepEqual(await codes(layout), ['OCI_CONFIG'])
  })
})

describe('blobs', () => {
  it('that do not match their names are refused', async () => {
    const layout = await exampleLayout()
    const [path = ''] = [...layout.files.keys()].filter((name) => name.startsWith('blobs/'))
    layout.files.set(path, 'changed')
    assert.deepEqual((await codes(layout)).slice(0, 2), ['OCI_DIGEST', 'OCI_MISSING'])
  })

  it('may be named by SHA-512, and by nothing else', async () => {
    const layout = await exampleLayout()
    layout.files.set(`blobs/sha512/${createHash('sha512').update('x').digest('hex')}`, 'x')
    assert.deepEqual(await codes(layout), ['OCI_UNREFERENCED'])
    for (const name of ['md5/0cc175b9c0f1b6a831c399e269772661', `sha256/${'A'.repeat(64)}`, 'sha256/short']) {
      const other = await exampleLayout()
      other.files.set(`blobs/${name}`, 'x')
      assert.deepEqual(await codes(other), ['OCI_DIGEST'], name)
    }
  })

  it('must be there, and as large as promised', async () => {
    const layout = await exampleLayout()
    const manifest = layout.manifests[0] as Descriptor
    layout.manifests[0] = { ...manifest, size: manifest.size + 1 }
    assert.ok((await codes(layout)).includes('OCI_SIZE'))
    layout.manifests[0] = { ...manifest, digest: `sha256:${'0'.repeat(64)}` }
    assert.ok((await codes(layout)).includes('OCI_MISSING'))
  })

  it('are not links', async () => {
    const layout = await exampleLayout()
    const [[path = ''] = []] = [...layout.files].filter(([name]) => name.startsWith('blobs/'))
    layout.files.delete(path)
    const bytes = await tar(
      ...layout.files,
      ['index.json', JSON.stringify(layout.index())],
      [{ name: path, type: 'symlink', linkname: '../../oci-layout' }],
    )
    assert.deepEqual(await codesOf(bytes), ['OCI_MISSING'])
  })
})

describe('layers', () => {
  it('that climb, or link to the outside, or repeat themselves are refused', async () => {
    assert.deepEqual(await codes(await withLayer(['../outside', ''])), ['ARCHIVE_TRAVERSAL'])
    assert.deepEqual(await codes(await withLayer([{ name: 'l', type: 'link', linkname: '../../outside' }])), [
      'ARCHIVE_LINK',
    ])
    assert.deepEqual(await codes(await withLayer(['a', ''], ['./a', ''])), ['ARCHIVE_DUPLICATE'])
  })

  it('say where: the blob and the entry', async () => {
    const { issues } = await check(await (await withLayer(['../outside', ''])).pack())
    assert.match(issues[0]?.location ?? '', /^blobs\/sha256\/[0-9a-f]{64}: \.\.\/outside$/)
  })

  it('may have device files, with a warning', async () => {
    assert.deepEqual(await codes(await withLayer([{ name: 'dev/null', type: 'character-device' }])), [
      'ARCHIVE_ENTRY_TYPE',
    ])
  })

  it('must be what their media type says', async () => {
    for (const content of [await tar(['a', '']), zstdCompressSync(await tar(['a', ''])), 'text']) {
      const layout = new Layout()
      layout.image([layout.blob(IMAGE_LAYER, content)], [`sha256:${'0'.repeat(64)}`])
      assert.deepEqual(await codes(layout), ['OCI_LAYER'])
    }
  })

  it('must be archives to their end', async () => {
    const archive = await tar(['a', Buffer.alloc(3000)])
    for (const [content, code] of [
      [gzipSync(archive.subarray(0, 2000)), 'ARCHIVE_TRUNCATED'],
      [gzipSync(archive).subarray(0, -4), 'ARCHIVE_TRUNCATED'],
      [gzipSync('no archive'.repeat(100)), 'ARCHIVE_FRAME'],
      [Buffer.concat([gzipSync(archive), Buffer.from('garbage')]), 'ARCHIVE_COMPRESSION'],
    ] as const) {
      const layout = new Layout()
      layout.image([layout.blob(IMAGE_LAYER, content)], [`sha256:${sha256(archive)}`])
      assert.deepEqual(await codes(layout), [code])
    }
  })

  it('must have the digests that the configuration gives', async () => {
    const archive = await tar(['a', ''])
    for (const diffIds of [[], [`sha256:${'0'.repeat(64)}`], [`sha256:${sha256(gzipSync(archive))}`], ['', '']]) {
      const layout = new Layout()
      layout.image([layout.layer(archive)], diffIds)
      assert.deepEqual(await codes(layout), ['OCI_DIFF_ID'], JSON.stringify(diffIds))
    }
  })

  it('that are bombs are refused, also when nothing refers to them', async (t) => {
    const header = headerBlock({ name: 'zeros', size: (8 * MIB).toString(8).padStart(11, '0') })
    const zeros = gzipSync(Buffer.alloc(8 * MIB), { level: 9 })
    const files = Array.from({ length: 1250 }, () => [gzipSync(header), zeros])
    for (const compress of [
      () => Buffer.concat(files.flat()),
      () => zstdCompressSync(Buffer.alloc(200 * MIB, header)),
    ]) {
      const layout = await exampleLayout()
      layout.blob('', compress())
      const bytes = await layout.pack()
      const started = performance.now()
      assert.deepEqual(await codesOf(bytes), ['ARCHIVE_TOO_LARGE'])
      t.diagnostic(`a layer in ${bytes.length} bytes is refused in ${(performance.now() - started).toFixed(0)} ms`)
    }
  })
})
