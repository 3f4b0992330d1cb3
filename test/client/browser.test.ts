import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { compileFunction } from 'node:vm'
import { build } from 'esbuild-wasm'
import { signCell } from './fake-node.ts'

const { outputFiles, metafile } = await build({
  entryPoints: ['src/client/index.ts'],
  bundle: true,
  platform: 'browser',
  format: 'iife',
  globalName: 'cytoplex',
  write: false,
  metafile: true,
  logLevel: 'silent',
})

const ours = Object.keys(metafile.inputs).filter((path) => /^(src|protocol)\//.test(path))

test('the SDK bundles for browsers: it and all that it imports need no Node built-in', () => {
  assert(ours.length > 20, `only ${ours.length} files of ours were seen`)
  const imports = Object.values(metafile.inputs).flatMap((input) => input.imports.map(({ path }) => path))
  assert(imports.length > 100)
  assert.deepEqual(
    imports.filter((path) => path.startsWith('node:')),
    [],
  )
})

test('the SDK imports only rooms that it may, and names no Node global', () => {
  for (const path of ours) {
    assert.match(path, /^(protocol|src\/client|src\/kernel\/base|src\/kernel\/identity|src\/kernel\/log)\//)
    assert.doesNotMatch(readFileSync(path, 'utf8'), /\b(Buffer|process|require|__dirname)\b[.([]/, path)
  }
})

test('the bundle runs where there is no Node: it verifies, downloads and refuses', async () => {
  const cell = signCell(readFileSync('node_modules/source-map/lib/mappings.wasm'))
  const fetch = async (url: string, init: RequestInit) => {
    if (url.includes('/packages/')) return new Response(cell.bytes.slice(), { headers: lengthOf(cell.bytes) })
    const { request_id } = JSON.parse(String(init.body)) as { request_id: string }
    const body = { request_id, status: 'success', cell: cell.answer }
    return new Response(JSON.stringify(body), { headers: { 'Content-Type': 'application/json' } })
  }
  // What only Node has is hidden from the bundle.
  const hidden = ['process', 'Buffer', 'global', 'require', 'module', 'exports', 'setImmediate']
  const script = `${outputFiles[0]?.text ?? ''}
    return (async () => {
      const client = cytoplex.createClient({ nodes: 'https://node.example', fetch })
      const cell = await client.request({ capability: 'parse' })
      const bytes = await client.download(cell)
      const refused = await client.request({ capability: 'other' }).catch((error) => error.code)
      return [cell.cell_id, bytes.length, refused, typeof process, typeof Buffer].join()
    })()`
  const expected = [cell.answer.cell_id, cell.bytes.length, 'INTEGRITY', 'undefined', 'undefined'].join()
  assert.equal(await compileFunction(script, ['fetch', ...hidden])(fetch), expected)
})

const lengthOf = (bytes: Uint8Array) => ({ 'Content-Length': String(bytes.length) })
