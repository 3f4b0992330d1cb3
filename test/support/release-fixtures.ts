import { createReadStream } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { createGunzip } from 'node:zlib'
import { extract as createExtract } from 'tar-stream'

const FOLDER = join(import.meta.dirname, '..', 'fixtures', 'releases')
const SUFFIX = '.tar.gz'

/** Versions whose data is stored, as `scripts/release-fixture.ts` made it. */
export const releases = async (): Promise<string[]> =>
  (await readdir(FOLDER)).filter((name) => name.endsWith(SUFFIX)).map((name) => name.slice(0, -SUFFIX.length))

/** Unpacks the data of a release: `data` and `data.keys`. */
export async function unpackRelease(version: string, into: string): Promise<void> {
  const extract = createExtract()
  createReadStream(join(FOLDER, version + SUFFIX))
    .pipe(createGunzip())
    .pipe(extract as unknown as NodeJS.WritableStream)
  for await (const entry of extract) {
    const path = join(into, entry.header.name)
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeFile(path, await buffer(entry as unknown as AsyncIterable<Uint8Array>), { mode: entry.header.mode })
  }
}
