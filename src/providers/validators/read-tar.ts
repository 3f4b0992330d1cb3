import { extract as createExtract, type Extract } from 'tar-stream'
import type { Budget } from './archive-budget.ts'
import { ArchiveFault, type FindingList } from './archive-findings.ts'
import { ARCHIVE_ENTRIES } from './archive-limits.ts'
import { type Destination, TarEntries } from './tar-entries.ts'
import { TarFrames } from './tar-frames.ts'

/** What an archive holds. */
export interface TarSummary {
  readonly entries: number
  /** Bytes of all files. */
  readonly bytes: number
}

/** How an archive is read. */
export interface TarOptions {
  readonly destination: Destination
  readonly budget: Budget
  readonly findings: FindingList
  /** Told of every regular file without faults. What it leaves of the content is passed over. */
  readonly onFile?: (path: string, content: AsyncIterable<Uint8Array>, size: number) => Promise<void>
}

/**
 * Reads a tar archive to its end in one pass, and judges every entry. Faults of entries are findings.
 *
 * Throws `ArchiveFault` for what ends the reading: frames that are broken or ambiguous, and limits.
 */
export async function readTar(source: AsyncIterable<Uint8Array>, options: TarOptions): Promise<TarSummary> {
  const { budget, findings, onFile } = options
  const frames = new TarFrames()
  const rules = new TarEntries(options.destination, findings)
  const extract = createExtract()
  const feeding = feed(source, frames, budget, extract)
  let entries = 0
  let bytes = 0
  try {
    for await (const entry of extract) {
      const { header } = entry
      frames.expect(entry.offset, header.name)
      budget.enter(header.name)
      budget.announce(header.size, header.name)
      if (++entries > ARCHIVE_ENTRIES) {
        throw new ArchiveFault('ARCHIVE_TOO_MANY', `more than ${ARCHIVE_ENTRIES} entries`, header.name)
      }
      const path = rules.check(header)
      if (header.type !== 'directory') bytes += header.size
      if (path !== undefined) await onFile?.(path, entry as AsyncIterable<Uint8Array>, header.size)
      entry.resume()
    }
  } catch (error) {
    throw error instanceof Error && LIBRARY_FAULT.test(error.message)
      ? new ArchiveFault('ARCHIVE_FRAME', error.message)
      : error
  } finally {
    extract.destroy()
    await feeding
  }
  return { entries, bytes }
}

/** What the library says of archives that it cannot read. */
const LIBRARY_FAULT = /^(Invalid (tar )?header|Header exceeds|Unexpected end of data)/

/** Never rejects: what fails here ends the library's stream, and comes out of it. */
async function feed(
  source: AsyncIterable<Uint8Array>,
  frames: TarFrames,
  budget: Budget,
  extract: Extract,
): Promise<void> {
  try {
    for await (const chunk of source) {
      if (extract.destroying) return
      budget.unpack(chunk.length)
      frames.push(chunk)
      if (!extract.write(chunk)) await drained(extract)
    }
    frames.end()
    extract.end(null)
  } catch (error) {
    extract.destroy(error instanceof Error ? error : new Error(String(error)))
  }
}

async function drained(extract: Extract): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  extract.once('drain', resolve)
  extract.once('close', resolve)
  await promise
  extract.off('drain', resolve)
  extract.off('close', resolve)
}
