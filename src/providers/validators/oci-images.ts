import type { FindingList } from './archive-findings.ts'
import { OCI_DEPTH } from './archive-limits.ts'
import type { Blob, LayerContent } from './oci-blobs.ts'
import {
  CONFIG_TYPES,
  type Descriptor,
  INDEX_TYPES,
  isObject,
  LAYER_TYPES,
  MANIFEST_TYPES,
  parseDocument,
  readDescriptor,
} from './oci-documents.ts'

/** Platforms that a report names. */
const LISTED_PLATFORMS = 100

const PLATFORM_PART = /^[A-Za-z0-9_.-]{1,64}$/

/** What the index of a layout leads to. */
export interface ImagesSummary {
  readonly platforms: string[]
  readonly manifests: number
  readonly layers: number
  /** Entries of all layers. */
  readonly entries: number
  /** Bytes of the files of all layers. */
  readonly bytes: number
}

/** Follows every descriptor from the index on: each blob must be there, as large as promised, and what its media type says. */
export function checkImages(
  index: Record<string, unknown>,
  blobs: ReadonlyMap<string, Blob>,
  findings: FindingList,
  passed: string[],
): ImagesSummary {
  const before = findings.errors
  const walk = new Walk(blobs, findings)
  walk.index(index, 'index.json', 0)
  walk.warnUnreferenced()
  if (findings.errors === before) passed.push('oci_index', 'oci_layers')
  return walk.summary()
}

class Walk {
  readonly #blobs: ReadonlyMap<string, Blob>
  readonly #findings: FindingList
  /** Digests of documents that were read, so that each is read once. */
  readonly #read = new Set<string>()
  readonly #referenced = new Set<string>()
  readonly #layers = new Map<string, LayerContent>()
  readonly #platforms = new Set<string>()
  #manifests = 0

  constructor(blobs: ReadonlyMap<string, Blob>, findings: FindingList) {
    this.#blobs = blobs
    this.#findings = findings
  }

  index(index: Record<string, unknown>, location: string, depth: number): void {
    const { schemaVersion, manifests } = index
    if (schemaVersion !== 2 || !Array.isArray(manifests)) {
      this.#findings.error('OCI_INDEX', 'an index has schemaVersion 2 and a list of manifests', location)
      return
    }
    if (depth === 0 && manifests.length === 0)
      this.#findings.error('OCI_INDEX', 'the index names no manifest', location)
    if (depth > OCI_DEPTH) {
      this.#findings.error('OCI_INDEX', `indexes nested deeper than ${OCI_DEPTH}`, location)
      return
    }
    for (const value of manifests) {
      const descriptor = readDescriptor(value, 'OCI_INDEX', location, this.#findings)
      const blob = descriptor === undefined ? undefined : this.#find(descriptor, location)
      if (descriptor === undefined || blob === undefined) continue
      if (INDEX_TYPES.has(descriptor.mediaType)) {
        const nested = this.#document(descriptor, blob, 'OCI_INDEX')
        if (nested !== undefined) this.index(nested, pathOf(descriptor), depth + 1)
      } else if (MANIFEST_TYPES.has(descriptor.mediaType)) {
        const manifest = this.#document(descriptor, blob, 'OCI_MANIFEST')
        if (manifest !== undefined) this.#manifest(manifest, pathOf(descriptor))
      }
    }
  }

  /** Manifests of other artifacts have the same form, with other media types for their configuration and their layers. */
  #manifest(manifest: Record<string, unknown>, location: string): void {
    this.#manifests++
    const { schemaVersion, layers } = manifest
    if (schemaVersion !== 2 || !Array.isArray(layers)) {
      this.#findings.error('OCI_MANIFEST', 'a manifest has schemaVersion 2, a config and a list of layers', location)
      return
    }
    const config = readDescriptor(manifest.config, 'OCI_MANIFEST', location, this.#findings)
    const configBlob = config === undefined ? undefined : this.#find(config, location)
    const contents = layers.map((value) => this.#layer(value, location))
    if (config === undefined || configBlob === undefined || !CONFIG_TYPES.has(config.mediaType)) return
    const document = parseDocument(configBlob.document, 'OCI_CONFIG', pathOf(config), this.#findings)
    if (document !== undefined) this.#config(document, contents, pathOf(config))
  }

  /** What a layer of a manifest holds; undefined for what is no file system layer, or was already refused. */
  #layer(value: unknown, location: string): LayerContent | undefined {
    const descriptor = readDescriptor(value, 'OCI_MANIFEST', location, this.#findings)
    const blob = descriptor === undefined ? undefined : this.#find(descriptor, location)
    const compression = descriptor === undefined ? undefined : LAYER_TYPES.get(descriptor.mediaType)
    if (descriptor === undefined || blob === undefined || compression === undefined) return undefined
    const { layer } = blob
    if (layer === undefined || layer.compression !== compression) {
      const found = layer === undefined ? 'no archive' : `an archive with compression ${layer.compression}`
      this.#findings.error('OCI_LAYER', `${descriptor.mediaType} is promised, found ${found}`, pathOf(descriptor))
      return undefined
    }
    if (!this.#layers.has(descriptor.digest)) this.#findings.include(layer.issues, pathOf(descriptor))
    this.#layers.set(descriptor.digest, layer)
    return layer
  }

  #config(config: Record<string, unknown>, layers: readonly (LayerContent | undefined)[], location: string): void {
    this.#platform(config, location)
    const diffIds = isObject(config.rootfs) ? config.rootfs.diff_ids : undefined
    if (!Array.isArray(diffIds) || diffIds.length !== layers.length) {
      const found = Array.isArray(diffIds) ? diffIds.length : 'no list'
      const message = `rootfs.diff_ids must have one digest for each of ${layers.length} layers, found ${found}`
      this.#findings.error('OCI_DIFF_ID', message, location)
      return
    }
    for (const [position, layer] of layers.entries()) {
      if (layer?.diffId === undefined || layer.diffId === diffIds[position]) continue
      const message = `rootfs.diff_ids[${position}] is not the digest of the unpacked layer, ${layer.diffId}`
      this.#findings.error('OCI_DIFF_ID', message, location)
    }
  }

  #platform({ os, architecture, variant }: Record<string, unknown>, location: string): void {
    const parts = [os, architecture, ...(variant === undefined || variant === '' ? [] : [variant])]
    if (!parts.every((part) => typeof part === 'string' && PLATFORM_PART.test(part))) {
      this.#findings.error('OCI_CONFIG', 'an image configuration names its os and architecture', location)
    } else if (this.#platforms.size < LISTED_PLATFORMS) this.#platforms.add(parts.join('/'))
  }

  /** The blob of a descriptor, when it is here and of the promised size. */
  #find({ digest, size }: Descriptor, location: string): Blob | undefined {
    const blob = this.#blobs.get(digest)
    this.#referenced.add(digest)
    if (blob === undefined) {
      this.#findings.error('OCI_MISSING', `refers to ${digest}, which is not in the layout`, location)
    } else if (blob.size !== size) {
      this.#findings.error('OCI_SIZE', `refers to ${digest} with ${size} bytes, it has ${blob.size}`, location)
    } else return blob
    return undefined
  }

  /** The JSON of a blob, the first time that it is asked for. */
  #document(descriptor: Descriptor, blob: Blob, code: string): Record<string, unknown> | undefined {
    const key = `${code} ${descriptor.digest}`
    if (this.#read.has(key)) return undefined
    this.#read.add(key)
    return parseDocument(blob.document, code, pathOf(descriptor), this.#findings)
  }

  warnUnreferenced(): void {
    const strays = [...this.#blobs.keys()].filter((digest) => !this.#referenced.has(digest))
    const [first] = strays
    if (first === undefined) return
    const message = `${strays.length} blobs that nothing refers to`
    this.#findings.warn('OCI_UNREFERENCED', message, pathOf({ digest: first }))
  }

  summary(): ImagesSummary {
    let entries = 0
    let bytes = 0
    for (const layer of this.#layers.values()) {
      entries += layer.entries
      bytes += layer.bytes
    }
    return { platforms: [...this.#platforms], manifests: this.#manifests, layers: this.#layers.size, entries, bytes }
  }
}

const pathOf = ({ digest }: { readonly digest: string }): string => `blobs/${digest.replace(':', '/')}`
