import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { chmod, copyFile, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, test } from 'node:test'
import type { Manifest } from '../../protocol/manifest.ts'
import { sampleManifest } from '../../scripts/vectors/publishers.ts'
import { createProgram } from '../../src/cli/program.ts'
import { manifestDigest, verifyManifest } from '../../src/kernel/identity/manifest-signature.ts'
import { createPublisherKeys, publisherKeys, savePublisherKeyFile } from '../../src/kernel/identity/manifest-signer.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { decodeYankToken } from '../../src/kernel/identity/yank-signature.ts'
import { digestOf, fakeNode, type Seen, sendCell, sendJson, sendPackage, signCell } from '../client/fake-node.ts'
import type { Outcome } from './launch.ts'
import { warmCytoplex } from './warm.ts'

const MAIN = resolve('src/cli/main.ts')
const SMALL = resolve('node_modules/source-map/lib/mappings.wasm')
const SQL = resolve('node_modules/sql.js/dist/sql-wasm.wasm')
const LARGE = resolve('node_modules/esbuild-wasm/esbuild.wasm')
const SILENT = 'http://127.0.0.1:2'

const scratch = mkdtempSync(join(tmpdir(), 'cytoplex-cell-'))
after(() => rmSync(scratch, { recursive: true, force: true }))
const newFolder = (): string => mkdtempSync(join(scratch, 'case-'))

/** Runs `cytoplex cell …` in `folder`, in an environment of its own. */
function cell(folder: string, ...args: readonly string[]): Promise<Outcome> {
  const env = { PATH: process.env.PATH, HOME: folder, XDG_CACHE_HOME: resolve('node_modules/.cache'), NO_COLOR: '1' }
  return warmCytoplex(['cell', ...args], env, folder)
}

const ok = async (folder: string, ...args: readonly string[]): Promise<Outcome> => {
  const ran = await cell(folder, ...args)
  assert.equal(ran.code, 0, ran.stderr)
  return ran
}

const formOf = ({ headers, body }: Seen): Promise<FormData> =>
  new Response(new Uint8Array(body), { headers: { 'Content-Type': String(headers['content-type']) } }).formData()

const acceptUpload = async (seen: Seen): Promise<object> => {
  const manifest = (await formOf(seen)).get('manifest')
  const cellId = manifest === null ? 'f'.repeat(64) : manifestDigest(JSON.parse(String(manifest)) as Manifest)
  const signedBy = manifest === null ? 'provider' : 'publisher'
  return { status: 'success', message: 'registered', cell_id: cellId, signed_by: signedBy }
}

test('pack describes a package, sign completes the description, push sends both', async (t) => {
  const folder = newFolder()
  const flags = ['--version', '1.2.0', '--capability', 'query-sql@3.49.0', '--capability', 'parse-sql']
  const more = [
    '--dependency',
    'store@>=1 <3',
    '--label',
    'domain=data=base',
    '--platform',
    'linux',
    '--memory-gb',
    '0.5',
  ]
  const notes = [
    '--description',
    'SQL.',
    '--tag',
    'sql',
    '--license',
    'MIT',
    '--repository-url',
    'https://example.org/x',
  ]
  const packed = await ok(folder, 'pack', SQL, ...flags, ...more, ...notes, '-o', 'sql.json', '--json')
  const file = join(folder, 'sql.json')
  const description = JSON.parse(await readFile(file, 'utf8')) as { manifest: Manifest; annotations: object }
  const bytes = await readFile(SQL)
  assert.deepEqual(JSON.parse(packed.stdout), { file: 'sql.json', ...description })
  assert.deepEqual(description.manifest, {
    format: 1,
    cell_type: 'sql-wasm',
    version: '1.2.0',
    capabilities: [
      { name: 'query-sql', version: '3.49.0' },
      { name: 'parse-sql', version: '1.2.0' },
    ],
    dependencies: [{ capability: 'store', version_constraint: '>=1 <3' }],
    requirements: { platforms: ['linux'], memory_gb: 0.5 },
    packaging_format: 'wasm',
    media_type: 'application/wasm',
    labels: { domain: 'data=base' },
    package: { ...signCell(bytes).manifest.package },
  })
  assert.deepEqual(description.annotations, {
    description: 'SQL.',
    tags: ['sql'],
    license: 'MIT',
    repository_url: 'https://example.org/x',
  })

  const signed = await ok(folder, 'sign', 'sql.json', '--json')
  assert.match(signed.stderr, /^created the publisher key .*publisher\.json; keep a copy/)
  const key = join(folder, '.config/cytoplex/publisher.json')
  assert.equal((await stat(key)).mode & 0o777, 0o600)
  const { manifest, manifest_signature: token } = JSON.parse(await readFile(file, 'utf8')) as {
    manifest: Manifest
    manifest_signature: string
  }
  assert.equal(verifyManifest(nativeVerifier, 'main', manifest, token).publisher, manifest.publisher)
  const report = JSON.parse(signed.stdout) as Record<string, string>
  assert.deepEqual([report.cell_id, report.publisher], [manifestDigest(manifest), manifest.publisher])

  const node = await fakeNode(t, async (request, response) => sendJson(response, 201, await acceptUpload(request)))
  const pushed = await ok(folder, 'push', 'sql.json', '--package', SQL, '--node', node.url, '--api-key', 'the key')
  assert.match(pushed.stdout, /^registered sql-wasm 1\.2\.0\n/)
  const next = `\nnext: cytoplex cell request query-sql --node ${node.url} --api-key KEY\n`
  assert.ok(pushed.stdout.endsWith(next), pushed.stdout)
  assert.equal(node.seen[0]?.headers['x-api-key'], 'the key')
  const form = await formOf(node.seen[0]!)
  assert.deepEqual(JSON.parse(String(form.get('manifest'))), manifest)
  assert.equal(form.get('manifest_signature'), token)
  const { labels, description: text, metadata } = JSON.parse(String(form.get('metadata'))) as Record<string, unknown>
  assert.deepEqual([labels, text], [{ domain: 'data=base' }, 'SQL.'])
  assert.deepEqual(metadata, { license: 'MIT', repository_url: 'https://example.org/x' })
  const sent = form.get('cell_package')
  assert(sent instanceof File)
  assert.equal(digestOf(new Uint8Array(await sent.arrayBuffer())), manifest.package.digest)
})

test('push packs, signs and registers a large module in one step; --unsigned leaves signing to the provider', async (t) => {
  const folder = newFolder()
  const node = await fakeNode(t, async (request, response) => sendJson(response, 201, await acceptUpload(request)))
  const args = ['--version', '0.28.0', '--node', node.url, '--json']
  const pushed = await ok(folder, 'push', LARGE, ...args, '--key', 'k.json', '--hybrid', '--network', 'test')
  assert.equal((JSON.parse(pushed.stdout) as Record<string, unknown>).signed_by, 'publisher')
  const form = await formOf(node.seen[0]!)
  const manifest = JSON.parse(String(form.get('manifest'))) as Manifest
  const verdict = verifyManifest(nativeVerifier, 'test', manifest, String(form.get('manifest_signature')))
  assert.deepEqual(verdict.algorithms, ['ed25519', 'ml-dsa-65'])
  assert.deepEqual(manifest.package, signCell(await readFile(LARGE)).manifest.package)

  await ok(folder, 'push', LARGE, ...args, '--unsigned')
  assert.deepEqual([...(await formOf(node.seen[1]!)).keys()], ['metadata', 'cell_package'])
  assert.deepEqual(await readdir(folder), ['k.json'], 'no key is created for what is not signed')
})

test('push says what the provider found wrong, and what does not belong together', async (t) => {
  const folder = newFolder()
  const issues = [{ severity: 'error', code: 'X', message: 'section 3 is cut off', location: 'byte 12' }]
  const node = await fakeNode(t, (_, response) =>
    sendJson(response, 400, {
      status: 'validation_error',
      message: 'refused',
      validation_results: { issues, passed_checks: [] },
      error: { code: 'PROV_005', message: 'refused' },
    }),
  )
  const refused = await cell(folder, 'push', SMALL, '--version', '1.0.0', '--unsigned', '--node', node.url)
  assert.equal(refused.code, 1)
  assert.equal(refused.stderr, 'cytoplex: refused; error: section 3 is cut off (byte 12)\n')
  issues.push({ severity: 'warning', code: 'Y', message: 'refused', location: 'package' })
  const once = await cell(folder, 'push', SMALL, '--version', '1.0.0', '--unsigned', '--node', node.url)
  assert.equal(once.stderr, 'cytoplex: refused (package); error: section 3 is cut off (byte 12)\n')

  await ok(folder, 'pack', SMALL, '--version', '1.0.0')
  const other = await cell(folder, 'push', 'cell.json', '--package', SQL, '--node', node.url)
  assert.equal(other.code, 1)
  assert.match(other.stderr, /cell\.json describes sha256:/)
  const both = await cell(folder, 'push', 'cell.json', '--package', SMALL, '--type', 'x', '--node', node.url)
  assert.equal(both.code, 2)
  assert.equal(node.seen.length, 2)
  const silent = await cell(folder, 'push', SMALL, '--version', '1.0.0', '--node', SILENT, '--json')
  assert.equal(silent.code, 5)
  const last = silent.stderr.trim().split('\n').at(-1) ?? ''
  assert.equal((JSON.parse(last) as { error: { code: string } }).error.code, 'UNREACHABLE')
})

const wrong: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['no version', ['pack', SMALL], /--version is needed/],
  ['a version that is none', ['pack', SMALL, '--version', '1'], /--version: found "1", allowed is a version such as/],
  [
    'a capability that is none',
    ['pack', SMALL, '--version', '1.0.0', '--capability', 'No!'],
    /--capability: found "No!"/,
  ],
  ['a range that is none', ['pack', SMALL, '--version', '1.0.0', '--dependency', 'a@new'], /--dependency: found "new"/],
  ['a label that is none', ['pack', SMALL, '--version', '1.0.0', '--label', 'a'], /allowed is key=value/],
  ['a number that is none', ['pack', SMALL, '--version', '1.0.0', '--memory-gb', 'much'], /--memory-gb: found "much"/],
  ['a link that is none', ['pack', SMALL, '--version', '1.0.0', '--repository-url', 'http://x'], /repository_url/],
  ['a kind that is not known', ['pack', process.execPath, '--version', '1.0.0'], /say --format and --media-type/],
  ['a request’s range that is none', ['request', 'parse', '--range', 'new'], /--range: found "new"/],
  ['a publisher that is none', ['request', 'parse', '--publisher', 'me'], /--publisher: found "me"/],
  ['a digest that is none', ['get', 'sha256:beef'], /allowed is sha256:<64 hex digits>/],
  ['a version that is not there', ['get', 'parser@'], /found "parser@", allowed is the digest .* or a cell type/],
  ['a file that is a stream', ['get', 'parser', '-o', '-'], /--output: found "-", allowed is the name of a file/],
  ['a description to a stream', ['pack', SMALL, '--version', '1.0.0', '-o', '-'], /--output: found "-"/],
  ['a node that is no URL of a node', ['get', 'parser', '--node', 'http://u:p@h'], /a node URL has no credentials/],
  ['an unknown verb', ['pakc'], /pack/],
]
for (const [name, args, said] of wrong) {
  test(`${name} is a usage error`, async () => {
    const folder = newFolder()
    const ran = await cell(folder, ...args)
    assert.equal(ran.code, 2, ran.stderr)
    assert.match(ran.stderr, said)
    assert.deepEqual(await readdir(folder), [])
  })
}

test('pack and sign replace nothing unasked, and refuse what they cannot read', async () => {
  const folder = newFolder()
  const pack = ['pack', SMALL, '--version', '1.0.0']
  await ok(folder, ...pack)
  assert.equal((await cell(folder, ...pack)).code, 1)
  await ok(folder, ...pack, '--force')
  for (const missing of [
    ['pack', 'gone.wasm', '--version', '1.0.0'],
    ['sign', 'gone.json'],
  ]) {
    const ran = await cell(folder, ...missing)
    assert.equal(ran.code, 1)
    assert.match(ran.stderr, /does not exist/)
  }
  const alone = await cell(folder, 'push', 'cell.json')
  assert.deepEqual(
    [alone.code, alone.stderr],
    [2, 'cytoplex: cell.json is a cell description: --package says which package it is about\n'],
  )
  const whole = await readFile(join(folder, 'cell.json'), 'utf8')
  await writeFile(join(folder, 'cell.json'), whole.replace('"format": 1', '"format": 1, "format": 2'))
  const doubled = await cell(folder, 'sign', 'cell.json')
  assert.equal(doubled.code, 1)
  assert.match(doubled.stderr, /cell\.json is no cell description/)
})

test('a key file that others can read, or that is not hybrid when it should be, is refused', async () => {
  const folder = newFolder()
  await ok(folder, 'pack', SMALL, '--version', '1.0.0')
  await ok(folder, 'sign', 'cell.json', '--key', 'k.json')
  assert.equal((await cell(folder, 'sign', 'cell.json', '--key', 'k.json', '--hybrid')).code, 2)
  await copyFile(join(folder, 'k.json'), join(folder, 'open.json'))
  await chmod(join(folder, 'open.json'), 0o644)
  const open = await cell(folder, 'sign', 'cell.json', '--key', 'open.json')
  assert.equal(open.code, 1)
  assert.match(open.stderr, /chmod/)
})

test('request prints what was verified, and downloads it', async (t) => {
  const folder = newFolder()
  const bytes = await readFile(SQL)
  const signed = signCell(bytes)
  const node = await fakeNode(t, (request, response) => {
    if (request.path.includes('/packages/')) return sendPackage(request, response, bytes)
    sendCell(request, response, signed.answer)
  })
  const device = ['--platform', 'linux', '--memory-gb', '8', '--gpu', '--optimize', 'memory', '--wait', '1']
  const pin = ['--publisher', signed.manifest.publisher]
  const ran = await ok(
    folder,
    'request',
    'parse',
    '--range',
    '^2.0.0',
    ...device,
    ...pin,
    '-o',
    'x.wasm',
    '--node',
    node.url,
  )
  assert.match(ran.stdout, /^parser 1\.2\.0, verified\n/)
  assert.match(ran.stdout, /wrote x\.wasm, verified\n$/)
  assert.equal(digestOf(await readFile(join(folder, 'x.wasm'))), signed.manifest.package.digest)
  const { request_id: _, ...body } = JSON.parse(String(node.seen[0]?.body)) as Record<string, unknown>
  assert.deepEqual(body, {
    capability: 'parse',
    context: { device_info: { platform: 'linux', memory_gb: 8, gpu_available: true } },
    preferences: {
      publishers: [signed.manifest.publisher],
      optimization_priority: 'memory',
      version_constraints: '^2.0.0',
    },
  })
  const specific = await ok(folder, 'request', 'parser', '--specific', '--range', '1.x', '--json', '--node', node.url)
  assert.equal((JSON.parse(specific.stdout) as Record<string, unknown>).cell_id, signed.answer.cell_id)
  const refused = await cell(folder, 'request', 'parse', '--publisher', 'a'.repeat(64), '--node', node.url)
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /who is not accepted/)
})

test('request shows what the cell depends on, and what became of every candidate, or why something is missing', async (t) => {
  const folder = newFolder()
  const { answer } = signCell(await readFile(SMALL))
  const { cell_id, cell_type, version, publisher, publisher_trust, packaging_format, digest, size_bytes } = answer
  const required_by = [{ cell_type, version, version_constraint: '^2.0.0' }]
  const entry = { cell_id, cell_type: 'logger', version: '2.1.0', publisher, publisher_trust, packaging_format, digest }
  const lock = [{ ...entry, capability: 'log', capability_version: '2.0.0', size_bytes, required_by }]
  const provider_id = answer.metadata.provider
  const candidate = {
    cell_id,
    cell_type,
    version,
    capability_version: version,
    publisher,
    publisher_trust,
    provider_id,
  }
  const explanation = [{ ...candidate, source: 'store', outcome: 'won', reason: 'the best\u001b[2J' }]
  const coverage = { sources: [], peers: [], oldest_answer_ms: 0 }
  const node = await fakeNode(t, (request, response) => {
    const body = JSON.parse(String(request.body)) as { request_id: string; capability: string }
    const { request_id } = body
    if (body.capability === 'parse') {
      return sendJson(response, 200, { request_id, status: 'success', cell: answer, lock, explanation, coverage })
    }
    const conflicts = [{ capability: 'log', required_by, reason: 'nobody offers it' }]
    sendJson(response, 404, {
      request_id,
      status: 'not_found',
      code: 'PROV_002',
      alternatives: [],
      coverage,
      conflicts,
    })
  })
  const flags = ['--dependencies', '--explain', '--node', node.url]
  const { stdout } = await ok(folder, 'request', 'parse', ...flags)
  assert.match(
    stdout,
    /depends on\nCAPABILITY +VERSION +CELL TYPE +CELL VERSION +DIGEST\nlog +2\.0\.0 +logger +2\.1\.0 +sha256:/,
  )
  assert.match(stdout, /considered\n.*\nparser +1\.2\.0 +store +won +the best\\u001b\[2J\n$/)
  const asked = JSON.parse(String(node.seen[0]?.body)) as { preferences: object }
  assert.deepEqual(asked.preferences, { resolve_dependencies: true, explain: true })
  const missing = await cell(folder, 'request', 'other', ...flags)
  assert.equal(missing.code, 3)
  assert.match(missing.stderr, /; dependency log: nobody offers it \(parser 1\.2\.0 needs \^2\.0\.0\)\n$/)
})

test('request tells what was not found where, and escapes what a node says', async (t) => {
  const folder = newFolder()
  const node = await fakeNode(t, (request, response) => {
    const { request_id, capability } = JSON.parse(String(request.body)) as Record<string, string>
    if (capability === 'parse') return sendJson(response, 202, { request_id, status: 'pending' })
    sendJson(response, 404, {
      request_id,
      status: 'not_found',
      code: 'PROV_002',
      alternatives: [
        { capability: 'x', cell_type: 'y', version: '1.0.0', compatibility_notes: 'old\u001b[2J' },
        { capability: 'xy', cell_type: 'z', version: '2.0.0', compatibility_notes: 'another name', source: 'local' },
      ],
      coverage: { sources: [{ source: 'dht', outcome: 'timed_out', candidates: 0 }], peers: [], oldest_answer_ms: 0 },
    })
  })
  const missing = await cell(folder, 'request', 'x', '--node', node.url)
  assert.equal(missing.code, 3)
  assert.equal(
    missing.stderr,
    'cytoplex: x: Cell not found (dht timed out); y 1.0.0 does not fit: old\\u001b[2J; z 2.0.0 may be meant: another name\n',
  )
  const pending = await cell(folder, 'request', 'parse', '--wait', '0', '--json', '--node', node.url)
  assert.equal(pending.code, 1)
  assert.deepEqual((JSON.parse(pending.stderr) as { error: object }).error, {
    code: 'PENDING',
    message: 'parse: the search goes on; ask again, or with a longer --wait',
  })
})

test('get downloads by type or digest, and never leaves a part or replaces a file unasked', async (t) => {
  const folder = newFolder()
  const bytes = await readFile(SMALL)
  const signed = signCell(bytes)
  const spoiled = Buffer.from(bytes)
  spoiled[100]! ^= 1
  const serve = (content: Uint8Array) =>
    fakeNode(t, (request, response) => {
      if (request.path.includes('/packages/')) return sendPackage(request, response, content)
      sendCell(request, response, signed.answer)
    })
  const node = await serve(bytes)
  const liar = await serve(spoiled)
  const { digest } = signed.manifest.package

  const lied = await cell(folder, 'get', 'parser', '--node', liar.url)
  assert.equal(lied.code, 1)
  assert.match(lied.stderr, /are not sha256:/)
  assert.deepEqual(await readdir(folder), [])

  await ok(folder, 'get', 'parser', '--version', '^1.0.0', '--node', node.url)
  await ok(folder, 'get', 'parser@^1.1.0', '--node', node.url, '--force')
  const bodies = node.seen.flatMap(({ body }) => (body.length === 0 ? [] : [JSON.parse(String(body))]))
  assert.deepEqual(
    bodies.map(({ cell_type, version }) => [cell_type, version]),
    [
      ['parser', '^1.0.0'],
      ['parser', '^1.1.0'],
    ],
  )
  await ok(folder, 'get', digest, '--node', node.url)
  const short = `${digest.slice(7, 23)}.bin`
  assert.deepEqual((await readdir(folder)).sort(), [short, 'parser-1.2.0.wasm'].sort())
  for (const name of await readdir(folder)) assert.equal(digestOf(await readFile(join(folder, name))), digest)

  await writeFile(join(folder, 'mine'), 'precious')
  assert.equal((await cell(folder, 'get', digest, '-o', 'mine', '--node', node.url)).code, 1)
  assert.equal(await readFile(join(folder, 'mine'), 'utf8'), 'precious')
  assert.equal((await cell(folder, 'get', digest, '-o', 'mine', '--force', '--node', liar.url)).code, 1)
  assert.equal(await readFile(join(folder, 'mine'), 'utf8'), 'precious')
  const forced = await ok(folder, 'get', digest, '-o', 'mine', '--force', '--json', '--node', node.url)
  assert.deepEqual(JSON.parse(forced.stdout), { file: 'mine', digest, size_bytes: bytes.length })
  assert.equal((await readdir(folder)).length, 3)
})

test('a file that cannot be written is named, and nothing is left', async (t) => {
  const folder = newFolder()
  const bytes = await readFile(SMALL)
  const { manifest, answer } = signCell(bytes)
  const node = await fakeNode(t, (request, response) => {
    if (request.path.includes('/packages/')) return sendPackage(request, response, bytes)
    sendCell(request, response, answer)
  })
  const commands = [
    ['get', manifest.package.digest, '-o', 'no/x', '--node', node.url],
    ['request', 'parse', '-o', 'no/x', '--node', node.url],
    ['pack', SMALL, '--version', '1.0.0', '-o', 'no/x'],
    ['pack', SMALL, '--version', '1.0.0', '-o', 'no/x', '--force'],
  ]
  for (const command of commands) {
    const ran = await cell(folder, ...command)
    assert.deepEqual([ran.code, ran.stderr], [1, 'cytoplex: no/x cannot be written: there is no folder no\n'])
  }
  assert.deepEqual(await readdir(folder), [])
})

test('a cell type that nobody knows is not called a capability', async (t) => {
  const folder = newFolder()
  const node = await fakeNode(t, (request, response) => {
    const { request_id } = JSON.parse(String(request.body)) as Record<string, string>
    const body = {
      status: 'not_found',
      code: 'PROV_003',
      alternatives: [],
      coverage: { sources: [], peers: [], oldest_answer_ms: 0 },
    }
    sendJson(response, 404, { request_id, ...body })
  })
  for (const args of [
    ['get', 'nope'],
    ['request', 'nope', '--specific'],
  ]) {
    const ran = await cell(folder, ...args, '--node', node.url)
    assert.equal(ran.code, 3)
    assert.match(ran.stderr, /^cytoplex: nope: no cell of this type was found/)
  }
  assert.match((await cell(folder, 'request', 'nope', '--node', node.url)).stderr, /Capability not supported/)
})

test('an interrupted download leaves nothing behind', async (t) => {
  const folder = newFolder()
  const begun = Promise.withResolvers<void>()
  const node = await fakeNode(t, (_, response) => {
    response.writeHead(200, { 'Content-Length': 1_000_000 })
    response.write(Buffer.alloc(1000), () => begun.resolve())
  })
  const child = spawn(process.execPath, [MAIN, 'cell', 'get', `sha256:${'a'.repeat(64)}`, '--node', node.url], {
    cwd: folder,
    env: { HOME: folder, XDG_CACHE_HOME: resolve('node_modules/.cache') },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const said = text(child.stderr)
  await begun.promise
  child.kill('SIGINT')
  const [code] = (await once(child, 'exit')) as [number | null]
  assert.deepEqual([code, await said], [1, 'cytoplex: interrupted\n'])
  assert.deepEqual(await readdir(folder), [])
})

test('list and rm use the documented routes', async (t) => {
  const folder = newFolder()
  const one = {
    cell_type: 'parser',
    capabilities: [{ name: 'parse', version: '2.1.0' }],
    versions: [
      { version: '1.2.0', created_at: '2026-01-31T12:00:00.000Z', status: 'active' },
      { version: '1.1.0', created_at: '2026-01-30T12:00:00.000Z', status: 'deprecated' },
    ],
    description: 'Parses \u202eevil',
    tags: [],
  }
  const node = await fakeNode(t, ({ method, headers }, response) => {
    if (method === 'GET') return sendJson(response, 200, { cells: [one], total_count: 2, limit: 1, offset: 0 })
    if (headers['x-api-key'] === 'k') return sendJson(response, 200, { status: 'success', message: 'deleted' })
    sendJson(response, 401, { status: 'error', message: 'no', error: { code: 'PROV_016', message: 'no key' } })
  })
  const listed = await ok(folder, 'list', '--capability', 'parse', '--limit', '1', '--node', node.url)
  assert.match(listed.stdout, /parser {2}1\.2\.0, 1\.1\.0 \(deprecated\) {2}parse@2\.1\.0 +Parses \\u202eevil\n/)
  assert.match(listed.stdout, /1 of 2; next: --offset 1/)
  const json = await ok(folder, 'list', '--search', 'parse it', '--json', '--node', node.url)
  assert.equal((JSON.parse(json.stdout) as { total_count: number }).total_count, 2)
  const refused = await cell(folder, 'rm', 'parser', '1.2.0', '--node', node.url)
  assert.equal(refused.code, 4)
  assert.match(
    refused.stderr,
    /^cytoplex: no key; the administrator's key is in admin\.key .*--data-dir, or the key with --api-key\n$/,
  )
  const removed = await ok(folder, 'rm', 'parser', '1.2.0', '--api-key', 'k', '--node', node.url)
  assert.equal(removed.stdout, 'deleted parser 1.2.0\n')
  assert.deepEqual(
    node.seen.map(({ method, path }) => `${method} ${path}`),
    [
      'GET /api/v1/repository/cells?capability=parse&limit=1',
      'GET /api/v1/repository/cells?search=parse+it',
      'DELETE /api/v1/repository/cells/parser/1.2.0',
      'DELETE /api/v1/repository/cells/parser/1.2.0',
    ],
  )
})

test('yank asks the node, or sends what the publisher signed after what it said before', async (t) => {
  const folder = newFolder()
  const file = createPublisherKeys({ kind: 'publisher' })
  const keys = publisherKeys(file)
  savePublisherKeyFile(join(folder, 'key.json'), file)
  const manifest = sampleManifest(file)
  const cellId = manifestDigest(manifest)
  const said = { format: 1, manifest_digest: cellId, publisher: keys.publisher, at: 1 } as const
  const before = keys.signYank('main', { ...said, counter: 4, yanked: true, reason: 'broken' })
  const details = {
    cell_id: cellId,
    cell_type: manifest.cell_type,
    version: manifest.version,
    description: '',
    tags: [],
    status: 'yanked',
    // The node says another counter than the publisher.
    yanks: [{ yanked: true, reason: 'broken', at: '', by: 'publisher', counter: 2 ** 53 - 1, token: before }],
    capabilities: manifest.capabilities,
    dependencies: manifest.dependencies,
    digest: manifest.package.digest,
    publisher: keys.publisher,
    signed_by: 'publisher',
    manifest,
    metadata: {
      created_at: '',
      created_by: '',
      updated_at: '',
      size_bytes: 1,
      license: null,
      documentation_url: null,
      repository_url: null,
      issue_tracker_url: null,
    },
    security: {
      signature_algorithm: 'ed25519',
      signature: keys.signManifest('main', manifest),
      security_rating: null,
      vulnerabilities: [],
      last_security_audit: null,
      log: null,
    },
    performance: { typical_memory_mb: null, typical_startup_ms: null, benchmark_results: {} },
    analysis: null,
    statistics: { total_requests: null, active_deployments: null, average_rating: null },
  }
  const node = await fakeNode(t, ({ method }, response) => {
    if (method === 'GET') return sendJson(response, 200, details)
    const answer = { status: 'success', message: '', cell_id: cellId, yanked: true, counter: 1, by: 'operator' }
    sendJson(response, 200, answer)
  })
  const name = [manifest.cell_type, manifest.version, '--node', node.url]
  const asked = await ok(folder, 'yank', ...name, '--reason', 'broken', '--message', 'loses rows')
  assert.equal(asked.stdout, `${manifest.cell_type} ${manifest.version} is yanked at this node\n`)
  await ok(folder, 'yank', ...name, '--undo', '--key', 'key.json')
  const bodies = node.seen.filter(({ method }) => method === 'POST').map(({ body }) => JSON.parse(body.toString()))
  assert.deepEqual(bodies[0], { reason: 'broken', message: 'loses rows' })
  const { record } = decodeYankToken(bodies[1].yank as string)
  assert.deepEqual({ ...record, at: 1 }, { ...said, counter: 5, yanked: false, reason: 'broken' })

  const other = createPublisherKeys({ kind: 'publisher' })
  savePublisherKeyFile(join(folder, 'other.json'), other)
  for (const [flags, code, message] of [
    [[], 2, /either --reason, or --undo/],
    [['--undo', '--reason', 'broken'], 2, /either --reason, or --undo/],
    [['--reason', 'bored'], 2, /Allowed choices are compromised, broken, superseded, withdrawn/],
    [['--undo', '--key', 'other.json'], 1, /is signed by/],
  ] as const) {
    const ran = await cell(folder, 'yank', ...name, ...flags)
    assert.equal(ran.code, code, ran.stderr)
    assert.match(ran.stderr, message)
  }
})

test('every verb explains itself with an example', () => {
  const all = createProgram().commands.find((command) => command.name() === 'cell')?.commands ?? []
  for (const name of ['pack', 'sign', 'push', 'list', 'get', 'request', 'yank', 'rm']) {
    let help = ''
    const verb = all.find((command) => command.name() === name)
    verb?.configureOutput({ writeOut: (text) => (help += text) }).outputHelp()
    assert.match(help, new RegExp(`Examples?:\\n {2}\\$ cytoplex cell ${name} `))
    assert.match(help, /--json/)
  }
})
