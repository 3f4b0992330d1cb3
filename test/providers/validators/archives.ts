/** Makes tar archives and OCI image layouts for tests. */
import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { type Header, pack } from 'tar-stream'

/** Name or header of an entry, and its content. */
export type TarEntry = readonly [header: string | (Partial<Header> & { name: string }), content?: string | Uint8Array]

export async function tar(...entries: TarEntry[]): Promise<Buffer> {
  const archive = pack()
  for (const [header, content] of entries) {
    archive.entry(typeof header === 'string' ? { name: header } : header, content ?? '')
  }
  archive.finalize()
  return buffer(archive as AsyncIterable<Uint8Array>)
}

export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

/** One 512-byte block of a header, for archives that no library writes. */
export function headerBlock(fields: { name: string; size?: string; type?: string; linkname?: string }): Buffer {
  const block = Buffer.alloc(512)
  block.write(fields.name, 0, 100, 'latin1')
  block.write('0000644\x000000000\x000000000\x00', 100, 'latin1')
  block.write(fields.size ?? '00000000000', 124, 12, 'latin1')
  block.write('00000000000\x00', 136, 'latin1')
  block.write(fields.type ?? '0', 156, 'latin1')
  block.write(fields.linkname ?? '', 157, 100, 'latin1')
  block.write('ustar\x0000', 257, 'latin1')
  block.write('        ', 148, 'latin1')
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\x00 `, 148, 'latin1')
  return block
}

export interface Descriptor {
  mediaType: string
  digest: string
  size: number
}

/** An OCI image layout in the making. Everything in it can be replaced before `pack`. */
export class Layout {
  readonly files = new Map<string, Uint8Array | string>([['oci-layout', '{"imageLayoutVersion":"1.0.0"}']])
  readonly manifests: Descriptor[] = []

  blob(mediaType: string, content: Uint8Array | string): Descriptor {
    const bytes = Buffer.from(content as string)
    this.files.set(`blobs/sha256/${sha256(bytes)}`, bytes)
    return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length }
  }

  document(mediaType: string, value: unknown): Descriptor {
    return this.blob(mediaType, JSON.stringify(value))
  }

  layer(archive: Uint8Array, compression: 'none' | 'gzip' | 'zstd' = 'gzip'): Descriptor {
    const type = 'application/vnd.oci.image.layer.v1.tar'
    if (compression === 'none') return this.blob(type, archive)
    return this.blob(`${type}+${compression}`, compression === 'gzip' ? gzipSync(archive) : zstdCompressSync(archive))
  }

  /** An image of layers, with the digests of their unpacked archives. */
  image(layers: Descriptor[], diffIds: string[], config: object = { os: 'linux', architecture: 'amd64' }): Descriptor {
    const manifest = this.document('application/vnd.oci.image.manifest.v1+json', {
      schemaVersion: 2,
      config: this.document('application/vnd.oci.image.config.v1+json', {
        ...config,
        rootfs: { type: 'layers', diff_ids: diffIds },
      }),
      layers,
    })
    this.manifests.push(manifest)
    return manifest
  }

  index(): object {
    return { schemaVersion: 2, manifests: this.manifests }
  }

  pack(): Promise<Buffer> {
    const index: TarEntry = ['index.json', JSON.stringify(this.index())]
    return tar(...this.files, ...(this.files.has('index.json') ? [] : [index]))
  }
}

/** A layout with one image of three layers, each compressed in its own way. */
export async function exampleLayout(): Promise<Layout> {
  const layout = new Layout()
  const archives = await Promise.all([
    tar(
      [{ name: 'etc/', type: 'directory' }],
      ['etc/os-release', 'NAME=test\n'],
      [{ name: 'bin', type: 'symlink', linkname: '/usr/bin' }],
    ),
    tar(['etc/.wh.os-release'], ['usr/bin/tool', Buffer.alloc(300_000, 7)]),
    tar([String.raw`lib/system\x2d.slice`, 'x'], [{ name: 'usr/bin/again', type: 'link', linkname: 'usr/bin/tool' }]),
  ])
  const compressions = ['gzip', 'zstd', 'none'] as const
  layout.image(
    archives.map((archive, index) => layout.layer(archive, compressions[index])),
    archives.map((archive) => `sha256:${sha256(archive)}`),
  )
  return layout
}
