import { buffer } from 'node:stream/consumers'
import type { ArchiveReport } from '../../../protocol/annotations.ts'
import { parseStrictJson, StrictJsonError } from '../../kernel/base/strict-json.ts'
import type { Budget } from './archive-budget.ts'
import type { FindingList } from './archive-findings.ts'
import { QCC_MANIFEST_BYTES } from './archive-limits.ts'
import { decompress } from './decompress.ts'
import { readTar } from './read-tar.ts'

const MANIFEST = 'manifest.json'

/** Reads a `qcc` package: gzip of a tar archive with a `manifest.json`, a JSON object, at its root. Throws as `readTar` does. */
export async function readQcc(
  input: AsyncIterable<Uint8Array>,
  budget: Budget,
  findings: FindingList,
  passed: string[],
): Promise<ArchiveReport> {
  let manifestFault: string | undefined = `no file ${MANIFEST} at the root of the archive`
  const { entries, bytes } = await readTar(decompress(input, 'gzip'), {
    destination: 'folder',
    budget,
    findings,
    onFile: async (path, content, size) => {
      if (path !== MANIFEST) return
      manifestFault =
        size > QCC_MANIFEST_BYTES
          ? `${size} bytes, at most ${QCC_MANIFEST_BYTES} are allowed`
          : faultOf(await buffer(content))
    },
  })
  passed.push('archive_frame')
  if (findings.errors === 0) passed.push('archive_paths')
  if (manifestFault === undefined) passed.push('qcc_manifest')
  else findings.error('QCC_MANIFEST', manifestFault, MANIFEST)
  return { kind: 'archive', entries, unpacked_bytes: bytes }
}

/** What is wrong with a manifest. */
function faultOf(bytes: Uint8Array): string | undefined {
  try {
    const value = parseStrictJson(bytes)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? undefined : 'a JSON value that is no object'
  } catch (error) {
    if (error instanceof StrictJsonError) return error.message
    throw error
  }
}
