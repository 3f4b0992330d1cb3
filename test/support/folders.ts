import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

const folders = new Set<string>()
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A folder that is removed when the test ends, and again with the process: what the test stops after this may have written into it meanwhile. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cytoplex-test-'))
  folders.add(folder)
  t.after(() => rm(folder, { recursive: true, force: true }).catch(() => undefined))
  return folder
}
