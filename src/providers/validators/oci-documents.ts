import { parseStrictJson, StrictJsonError } from '../../kernel/base/strict-json.ts'
import type { FindingList } from './archive-findings.ts'
import { OCI_DOCUMENT_BYTES } from './archive-limits.ts'
import type { Compression } from './decompress.ts'

/** A reference to a blob (image-spec 1.1, "Content Descriptors"). */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

/** Media types of documents that this validator follows. Docker's are the same documents under older names. */
export const INDEX_TYPES = new Set([
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
])
export const MANIFEST_TYPES = new Set([
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
])
export const CONFIG_TYPES = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
])

/** Media types of layers, with the compression that they promise. */
export const LAYER_TYPES: ReadonlyMap<string, Compression> = new Map([
  ['application/vnd.oci.image.layer.v1.tar', 'none'],
  ['application/vnd.oci.image.layer.v1.tar+gzip', 'gzip'],
  ['application/vnd.oci.image.layer.v1.tar+zstd', 'zstd'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar', 'none'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', 'gzip'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+zstd', 'zstd'],
  ['application/vnd.docker.image.rootfs.diff.tar', 'none'],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'gzip'],
  ['application/vnd.docker.image.rootfs.diff.tar.zstd', 'zstd'],
])

const DIGEST = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/
const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/

/** Parses a document that must be a JSON object; what is wrong becomes a finding with `code`. */
export function parseDocument(
  bytes: Uint8Array | undefined,
  code: string,
  location: string,
  findings: FindingList,
): Record<string, unknown> | undefined {
  if (bytes === undefined) {
    findings.error(code, `no such document of at most ${OCI_DOCUMENT_BYTES} bytes`, location)
    return undefined
  }
  try {
    const value = parseStrictJson(bytes)
    if (isObject(value)) return value
    findings.error(code, 'a JSON value that is no object', location)
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error
    findings.error(code, error.message, location)
  }
  return undefined
}

/** Reads a descriptor; one that is malformed becomes a finding with `code`. */
export function readDescriptor(
  value: unknown,
  code: string,
  location: string,
  findings: FindingList,
): Descriptor | undefined {
  const { mediaType, digest, size } = isObject(value) ? value : {}
  if (typeof mediaType !== 'string' || !MEDIA_TYPE.test(mediaType)) {
    findings.error(code, 'a descriptor without a media type', location)
  } else if (typeof digest !== 'string' || !DIGEST.test(digest)) {
    findings.error(code, 'a descriptor without a SHA-256 or SHA-512 digest', location)
  } else if (!Number.isSafeInteger(size) || (size as number) < 0) {
    findings.error(code, 'a descriptor without a size', location)
  } else return { mediaType, digest, size: size as number }
  return undefined
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
