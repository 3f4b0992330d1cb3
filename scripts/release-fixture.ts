/**
 * Writes `test/fixtures/releases/<version>.tar.gz`: the data and keys of a node of this version that holds a little of everything. Made once for every
 * release, and never again: later versions are tested on it.
 */
import { createWriteStream } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { pack as createPack } from 'tar-stream'
import { softwareVersion } from '../src/kernel/config/package-files.ts'
import { startNodeProcess } from './nodes.ts'

const ROOT = join(import.meta.dirname, '..')
const target = join(ROOT, 'test', 'fixtures', 'releases', `${softwareVersion()}.tar.gz`)
const folder = await mkdtemp(join(tmpdir(), 'cytoplex-fixture-'))
try {
  await fill(join(folder, 'data'))
  const pack = createPack()
  const writing = pipeline(pack, createGzip({ level: 9 }), createWriteStream(target, { flags: 'wx' }))
  for (const path of await files(folder)) {
    const { mode } = await stat(join(folder, path))
    pack.entry({ name: path, mode: mode & 0o777, mtime: new Date(0) }, await readFile(join(folder, path)))
  }
  pack.finalize()
  await writing
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function files(of: string): Promise<string[]> {
  const entries = await readdir(of, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && !/^(LOCK|LOG|LOG\.old|.*\.log\.txt|data\.log)$/.test(entry.name))
    .map(({ parentPath, name }) => join(parentPath, name).slice(of.length + 1))
    .sort()
}

async function fill(dataDir: string): Promise<void> {
  const node = await startNodeProcess({ dataDir })
  const call = async (method: string, path: string, body: object): Promise<void> => {
    const response = await fetch(node.http_url + path, {
      method,
      headers: { 'Content-Type': 'application/json', 'X-API-Key': node.adminKey },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
  }
  const register = async (name: string, text: string, dependencies: object[] = []) => {
    const form = new FormData()
    const capabilities = [{ name: `use-${name}`, version: '1.0.0' }]
    const metadata = {
      cell_type: name,
      version: '1.0.0',
      capabilities,
      dependencies,
      packaging_format: 'document',
      media_type: 'text/plain',
    }
    form.set('metadata', JSON.stringify(metadata))
    form.set('cell_package', new Blob([text]), 'package')
    const headers = { 'X-API-Key': node.adminKey }
    const response = await fetch(`${node.http_url}/api/v1/repository/cells`, { method: 'POST', headers, body: form })
    if (!response.ok) throw new Error(`registering: ${response.status} ${await response.text()}`)
  }
  await register('kept', 'A cell that this release stored.')
  await register('depending', 'It depends on another.', [{ capability: 'use-kept', version_constraint: '^1.0.0' }])
  await register('withdrawn', 'This one was yanked.')
  await call('POST', '/api/v1/repository/cells/withdrawn/1.0.0/yank', { reason: 'broken' })
  await call('POST', '/api/v1/keys', { role: 'reader', name: 'a reader' })
  await call('POST', '/api/v1/replication/policies', { capability: 'sql.*', max_bytes: 1000 })
  await call('POST', '/api/v2/sessions', { initial_context: 'What this release remembered.' })
  await node.stop()
}
