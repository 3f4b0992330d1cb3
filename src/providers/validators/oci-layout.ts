import { buffer } from 'node:stream/consumers'
import type { ContainerReport } from '../../../protocol/annotations.ts'
import type { Budget } from './archive-budget.ts'
import type { FindingList } from './archive-findings.ts'
import { OCI_DOCUMENT_BYTES } from './archive-limits.ts'
import { type Blob, BlobReader } from './oci-blobs.ts'
import { parseDocument } from './oci-documents.ts'
import { checkImages } from './oci-images.ts'
import { readTar } from './read-tar.ts'

/** Digest algorithms that the image specification registers, and the length of a digest in hexadecimal. */
const ALGORITHMS: Readonly<Record<string, number>> = { sha256: 64, sha512: 128 }

/**
 * Reads a `container` package: a tar archive with an OCI image layout (image-spec 1.1, "Image Layout"). One pass over the bytes: blobs are
 * hashed and opened as they come by, and what refers to them is checked at the end. Throws as `readTar` does.
 */
export async function readLayout(
  input: AsyncIterable<Uint8Array>,
  budget: Budget,
  findings: FindingList,
  passed: string[],
): Promise<ContainerReport> {
  const reader = new BlobReader(budget)
  const blobs = new Map<string, Blob>()
  const roots = new Map<string, Uint8Array>()
  let mismatches = 0
  const summary = await readTar(input, {
    destination: 'folder',
    budget,
    findings,
    onFile: async (path, content, size) => {
      if (path === 'oci-layout' || path === 'index.json') {
        if (size <= OCI_DOCUMENT_BYTES) roots.set(path, await buffer(content))
        return
      }
      const [, algorithm = '', hex = ''] = /^blobs\/([^/]+)\/([^/]+)$/.exec(path) ?? []
      if (algorithm === '') return
      if (ALGORITHMS[algorithm] !== hex.length || !/^[0-9a-f]+$/.test(hex)) {
        mismatches++
        findings.error('OCI_DIGEST', 'the name of a blob is its SHA-256 or SHA-512 in lowercase hexadecimal', path)
        return
      }
      const { digest, blob } = await reader.read(content, size, algorithm)
      if (digest !== hex) {
        mismatches++
        findings.error('OCI_DIGEST', `its ${algorithm} is ${digest}`, path)
      } else blobs.set(`${algorithm}:${hex}`, blob)
    },
  })
  passed.push('archive_frame')
  if (findings.errors === mismatches) passed.push('archive_paths')
  if (mismatches === 0) passed.push('oci_digests')
  const index = checkRoots(roots, findings, passed)
  const images = index === undefined ? undefined : checkImages(index, blobs, findings, passed)
  return {
    kind: 'container',
    platforms: images?.platforms ?? [],
    manifests: images?.manifests ?? 0,
    layers: images?.layers ?? 0,
    entries: summary.entries + (images?.entries ?? 0),
    unpacked_bytes: summary.bytes + (images?.bytes ?? 0),
  }
}

/** Checks `oci-layout`, and gives the parsed `index.json`. */
function checkRoots(
  roots: ReadonlyMap<string, Uint8Array>,
  findings: FindingList,
  passed: string[],
): Record<string, unknown> | undefined {
  const layout = parseDocument(roots.get('oci-layout'), 'OCI_LAYOUT', 'oci-layout', findings)
  if (layout !== undefined) {
    const version = layout.imageLayoutVersion
    if (version === '1.0.0') passed.push('oci_layout')
    else findings.error('OCI_LAYOUT', `imageLayoutVersion is ${shown(version)}, must be "1.0.0"`, 'oci-layout')
  }
  return parseDocument(roots.get('index.json'), 'OCI_INDEX', 'index.json', findings)
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? 'missing').slice(0, 80)
