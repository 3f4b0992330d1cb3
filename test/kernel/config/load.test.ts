import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { StartError } from '../../../src/kernel/base/errors.ts'
import { describeConfig } from '../../../src/kernel/config/describe.ts'
import { CONFIG_KEYS } from '../../../src/kernel/config/keys.ts'
import { type LoadOptions, loadConfig } from '../../../src/kernel/config/load.ts'

const HOME = { HOME: '/home/somebody' }

const scratch = mkdtempSync(join(tmpdir(), 'cytoplex-config-'))
after(() => rmSync(scratch, { recursive: true }))

function file(text: string | Uint8Array): string {
  const path = join(mkdtempSync(join(scratch, 'case-')), 'node.yaml')
  writeFileSync(path, text)
  return path
}

const load = (options: Partial<LoadOptions> = {}) => loadConfig({ env: HOME, ...options })

function refuses(options: Partial<LoadOptions>, ...patterns: RegExp[]): void {
  assert.throws(
    () => load(options),
    (error) => {
      assert.ok(error instanceof StartError, String(error))
      for (const pattern of patterns) assert.match(error.message, pattern)
      return true
    },
  )
}

test('without anything, the defaults', () => {
  const { config, origins, warnings } = load()
  assert.equal(config.http.host, '127.0.0.1')
  assert.equal(config.http.port, 8000)
  assert.equal(config.p2p.host, '0.0.0.0')
  assert.equal(config.cells.max_package_bytes, 2 * 1024 ** 3)
  assert.equal(config.cache.max_bytes, 10 * 1024 ** 3)
  assert.equal(config.data_dir, '/home/somebody/.local/share/cytoplex')
  assert.equal(config.key_dir, '/home/somebody/.local/share/cytoplex.keys')
  assert.deepEqual([...new Set(origins.values())], ['default'])
  assert.equal(origins.size, CONFIG_KEYS.length)
  assert.deepEqual(warnings, [])
  assert.throws(() => Object.assign(config.http, { port: 1 }), TypeError, 'it is frozen')
})

test('file < environment < flags, and each value knows its origin', () => {
  const path = file('http: { port: 1, host: 10.0.0.1 }\np2p:\n  port: 1\n')
  const env = { ...HOME, CYTOPLEX_HTTP_PORT: '2', CYTOPLEX_P2P_PORT: '2' }
  const { config, origins } = load({ file: path, env, flags: { 'p2p.port': '3' } })
  assert.deepEqual([config.http.host, config.http.port, config.p2p.port], ['10.0.0.1', 2, 3])
  assert.equal(origins.get('http.host'), `file ${path}`)
  assert.equal(origins.get('http.port'), 'environment CYTOPLEX_HTTP_PORT')
  assert.equal(origins.get('p2p.port'), 'flag --p2p-port')
})

test('CYTOPLEX_CONFIG names the file, and --config wins over it', () => {
  const env = { ...HOME, CYTOPLEX_CONFIG: file('node: { name: environment }') }
  assert.equal(load({ env }).config.node.name, 'environment')
  assert.equal(load({ env, file: file('node: { name: flag }') }).config.node.name, 'flag')
})

test('an empty file and empty sections change nothing', () => {
  assert.equal(load({ file: file('') }).config.http.port, 8000)
  assert.equal(load({ file: file('http:\n  # port: 1\np2p:\n') }).config.http.port, 8000)
})

const WITNESS = '12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX'

test('every key can be set from the environment', () => {
  const values: Record<string, [text: string, value: unknown]> = {
    'network.name': ['test-1', 'test-1'],
    'cells.sign_uploads': ['false', false],
    'http.open_reading': ['false', false],
    'http.api_key': ['a-shared-secret', '••••'],
    'federation.enabled': ['false', false],
    'federation.auto_forward': ['true', true],
    'federation.capability_sharing': ['false', false],
    'federation.analytics_sharing': ['true', true],
    'publishers.accept': ['pinned', 'pinned'],
    'publishers.pinned': [`${'a'.repeat(64)}, ${'b'.repeat(64)}`, ['a'.repeat(64), 'b'.repeat(64)]],
    'p2p.seeds': ['a:1,,b:2', ['a:1', 'b:2']],
    'p2p.relay': ['client', 'client'],
    'p2p.hole_punching': ['true', true],
    'p2p.announce': ['/dns4/n/tcp/1', ['/dns4/n/tcp/1']],
    'http.allowed_origins': ['https://a.example', ['https://a.example']],
    'receipts.witnesses': [WITNESS, [WITNESS]],
    'events.operators': ['c'.repeat(40), ['c'.repeat(40)]],
    'log.level': ['trace', 'trace'],
    'health.min_peers_for_ready': ['3', 3],
    'health.enable_server': ['true', true],
    'http.ws_port': ['9001', 9001],
    'goals.accept_contributions': ['false', false],
    'goals.serve_evaluations': ['true', true],
    'anchors.commit_to_tau': ['true', true],
    'assurance.webhooks_allow_private': ['true', true],
    'p2p.dht_mode': ['client', 'client'],
    'p2p.mdns': ['true', true],
  }
  const urls = ['http.public_url', 'node.documentation_url', 'node.contact_website', 'node.contact_support_url']
  for (const { name, environment, schema } of CONFIG_KEYS) {
    if (environment === undefined) continue
    const isNumber = 'minimum' in schema
    const isList = 'items' in schema
    const [text, value] =
      values[name] ??
      ((urls.includes(name) && ['https://n.example', 'https://n.example']) ||
        (isNumber && [String(schema.minimum), schema.minimum]) || [`/${name}`, isList ? [`/${name}`] : `/${name}`])
    const loaded = load({ env: { ...HOME, [environment]: text } })
    assert.equal(loaded.origins.get(name), `environment ${environment}`)
    const shown = describeConfig(loaded, 'environment CYTOPLEX_ADMIN_KEY').find(({ key }) => key === name)
    assert.deepEqual(shown?.value, value, name)
  }
})

test("the documents' names, in both spellings", () => {
  const ian = {
    ...HOME,
    IAN_LISTEN_HOST: '::1',
    IAN_API_PORT: '1',
    IAN_P2P_PORT: '2',
    IAN_SEED_NODES: 'a:1,b:2',
    IAN_LOG_LEVEL: 'WARNING',
  }
  const { config, origins } = load({ env: ian })
  assert.deepEqual([config.http.host, config.p2p.host, config.http.port, config.p2p.port], ['::1', '::1', 1, 2])
  assert.deepEqual(config.p2p.seeds, ['a:1', 'b:2'])
  assert.equal(config.log.level, 'warn')
  assert.equal(origins.get('p2p.host'), 'environment IAN_LISTEN_HOST')

  const both = load({
    env: { ...ian, CYTOPLEX_LISTEN_HOST: '10.0.0.1', CYTOPLEX_API_PORT: '3', CYTOPLEX_LOG_LEVEL: 'INFO' },
  })
  assert.deepEqual([both.config.http.host, both.config.p2p.host, both.config.http.port], ['10.0.0.1', '10.0.0.1', 3])
  assert.equal(both.config.log.level, 'info')

  const specific = load({ env: { ...ian, CYTOPLEX_LISTEN_HOST: '10.0.0.1', CYTOPLEX_HTTP_HOST: '127.0.0.1' } })
  assert.deepEqual([specific.config.http.host, specific.config.p2p.host], ['127.0.0.1', '10.0.0.1'])
  assert.deepEqual(load({ env: { ...HOME, IAN_SEED_NODES: '' } }).config.p2p.seeds, [])
})

test('the documented ports and hosts of events and Tau', () => {
  const env = {
    ...HOME,
    IAN_WS_PORT: '9001',
    IAN_TAU_HOST: 'a',
    CYTOPLEX_TAU_HOST: 'b',
    IAN_TAU_PORT: '1',
    IAN_OTHER: 'y',
  }
  const { config, warnings } = load({ env })
  assert.deepEqual([config.http.ws_port, config.anchors.tau_host, config.anchors.tau_port], [9001, 'b', 1])
  assert.deepEqual(warnings, [])
})

test('what the documents know and nothing here depends on is told', () => {
  const { warnings } = load({ env: { ...HOME, CYTOPLEX_GOALS_SERVE_EVALUATIONS: 'true' } })
  assert.deepEqual(warnings, [
    "goals.serve_evaluations has no effect: every node evaluates for itself, and takes no other's word",
  ])
})

test("the documents' flat keys work in a file, and a key's own name wins over them", () => {
  const flat = `
listen_address: 10.0.0.1
listen_port: 1
seed_addresses: [a:1]
max_peers: 50
tau_host: tau.example
tau_port: 2
tau_commit_interval: 60.0
tau_commit_threshold: 7
commit_to_tau: true
accept_contributions: false
serve_evaluations: false
health_port: 3
enable_health_server: true
ws_port: 4
state_persist_path: null
peer_scores_path:
min_peers_for_ready: 5
max_sync_lag_for_ready: 6
log_level: INFO
`
  const { config, origins } = load({ file: file(flat) })
  const { p2p, anchors, goals, health, http, log } = config
  assert.deepEqual([p2p.host, p2p.port, p2p.seeds, p2p.max_connections], ['10.0.0.1', 1, ['a:1'], 50])
  assert.deepEqual(anchors, {
    commit_interval_seconds: 60,
    commit_threshold: 7,
    commit_to_tau: true,
    tau_host: 'tau.example',
    tau_port: 2,
  })
  assert.deepEqual(goals, {
    accept_contributions: false,
    contributions_per_minute: 600,
    max_bytes_per_goal: 4_294_967_296,
    serve_evaluations: false,
  })
  assert.deepEqual(health, { min_peers_for_ready: 5, max_sync_lag_for_ready: 6, enable_server: true, port: 3 })
  assert.deepEqual([http.ws_port, http.host, log.level], [4, '127.0.0.1', 'info'])
  assert.match(String(origins.get('p2p.port')), /^file /)

  assert.equal(load({ file: file('p2p: { port: 8 }\nlisten_port: 9') }).config.p2p.port, 8)
  refuses({ file: file('listen_port: x') }, /^p2p\.port \(file .*found "x"/)
  refuses({ file: file('state_persist_path: /data/state.json') }, /^state_persist_path .*only null.*data_dir/)
  refuses({ file: file('peer_scores_path: /data/peer_scores.json') }, /^peer_scores_path .*data_dir/)
  for (const name of ['consensus', 'economics', 'evaluation']) {
    refuses({ file: file(`${name}: { quorum: 3 }`) }, new RegExp(`^${name} .*is no key here`))
  }
})

test('certificates are files or made by the node, and only a file says so', () => {
  const tls = (text: string) => load({ file: file(`http: { tls: ${text} }`) }).config.http.tls
  assert.deepEqual(tls('{ cert: ~/c.pem, key: /k.pem }'), { cert: '/home/somebody/c.pem', key: '/k.pem' })
  assert.deepEqual(tls('{ self_signed: true }'), { self_signed: true })
  assert.equal(tls('null'), null)
  for (const wrong of [
    '{ cert: /c.pem }',
    '{ self_signed: false }',
    'on',
    '{ self_signed: true, cert: /c, key: /k }',
  ]) {
    refuses({ file: file(`http: { tls: ${wrong} }`) }, /^http\.tls /, /cert and key.*self_signed: true.*null/)
  }
  refuses({ env: { ...HOME, CYTOPLEX_HTTP_TLS: '/c.pem' } }, /CYTOPLEX_HTTP_TLS: no such key/)
})

test('special names are no keys', () => {
  load({ env: { ...HOME, CYTOPLEX_ADMIN_KEY: 'x'.repeat(16), CYTOPLEX_URL: 'http://x' } })
})

test('wrong values name the key, the origin, what was found and what is allowed', () => {
  const levels = /one of trace, debug, info, warn, error, fatal, silent/
  refuses(
    { env: { ...HOME, IAN_LOG_LEVEL: 'loud' } },
    /^log\.level \(environment IAN_LOG_LEVEL\): found "loud"/,
    levels,
  )
  refuses({ file: file('http: { port: 65536 }') }, /^http\.port \(file .*node\.yaml\): found 65536/, /from 0 to 65535/)
  refuses({ flags: { 'http.port': '80x' } }, /^http\.port \(flag --http-port\): found "80x"/, /whole number/)
  refuses({ flags: { 'http.port': '' } }, /flag --http-port\): found ""/)
  refuses({ flags: { data_dir: '' } }, /^data_dir \(flag --data-dir\): found ""/, /not empty/)
  refuses({ flags: { 'p2p.port': '1.5' } }, /found "1.5"/)
  refuses({ file: file('http: { port: "8000" }') }, /found "8000"/, /whole number/)
  refuses({ file: file('http: { port: }') }, /http\.port .*found null/)
  refuses({ file: file('cells: { sign_uploads: yes }') }, /found "yes", allowed is true or false/)
  refuses({ env: { ...HOME, CYTOPLEX_CELLS_SIGN_UPLOADS: '1' } }, /found "1", allowed is true or false/)
  refuses({ file: file('publishers: { pinned: [abc] }') }, /found \["abc"\].*list, each item 64 hexadecimal digits/)
  refuses({ file: file('p2p: { seeds: a }') }, /found "a", allowed is a list/)
  refuses({ flags: { 'network.name': 'Main' } }, /network\.name/, /lower-case/)
  refuses({ flags: { 'http.public_url': 'n.example' } }, /found "n\.example", allowed is a URL.* or null/)
  refuses({ file: file('http: [1]') }, /^http \(file .*found \[1\], allowed is a mapping/)
  refuses({ file: file(`node: { name: "${'x'.repeat(200)}" }`) }, /found "x{79}…, allowed is a text of at most 128/)
})

test('a wrong value is refused although a stronger source replaces it', () => {
  refuses({ file: file('http: { port: no }'), flags: { 'http.port': '1' } }, /file .*found "no"/)
})

test('unknown keys suggest the nearest', () => {
  refuses({ file: file('http: { prot: 1 }') }, /^http\.prot \(file .*no such key; did you mean http\.port\?/)
  refuses({ file: file('htp: { port: 1 }') }, /^htp \(file .*no such key/)
  refuses({ file: file('max_cells: 1') }, /did you mean directory\.max_cells\?/)
  refuses({ file: file('"__proto__": { port: 1 }') }, /^__proto__ .*no such key/)
  refuses({ file: file('http: { constructor: 1 }') }, /^http\.constructor .*no such key/)
  refuses(
    { env: { ...HOME, CYTOPLEX_HTTP_PROT: '1' } },
    /CYTOPLEX_HTTP_PROT: no such key; did you mean CYTOPLEX_HTTP_PORT\?/,
  )
})

test('a file that is no YAML, or has two readings, is refused', () => {
  refuses({ file: file('http: { port: 1') }, /not valid YAML/)
  refuses({ file: file('http: { port: 1 }\nhttp: { port: 2 }') }, /not valid YAML: Map keys must be unique/)
  refuses({ file: file('http: { port: 1, port: 2 }') }, /unique/)
  refuses({ file: file('http: {}\n---\np2p: {}') }, /not valid YAML/)
  refuses({ file: file('node: { name: !secret x }') }, /not valid YAML/)
  refuses({ file: file('just text') }, /the file .*allowed is a mapping/)
  refuses({ file: file(new Uint8Array([0xff, 0xfe])) }, /cannot be read/)
  refuses({ file: '/nowhere/node.yaml' }, /\/nowhere\/node\.yaml: there is no such configuration file/)
  refuses({ file: tmpdir() }, /cannot be read/)
})

test('paths: XDG, home, working directory', () => {
  const at = (options: Partial<LoadOptions>) => {
    const { data_dir, key_dir } = load(options).config
    return [data_dir, key_dir]
  }
  assert.deepEqual(at({ env: { ...HOME, XDG_DATA_HOME: '/x' } }), ['/x/cytoplex', '/x/cytoplex.keys'])
  assert.deepEqual(at({ env: { ...HOME, XDG_DATA_HOME: 'relative' } })[0], '/home/somebody/.local/share/cytoplex')
  assert.deepEqual(at({ flags: { data_dir: 'd' } }), [resolve('d'), `${resolve('d')}.keys`])
  assert.deepEqual(at({ flags: { data_dir: '/d/', key_dir: '~/k' } }), ['/d', '/home/somebody/k'])
  assert.deepEqual(at({ file: file('data_dir: ~/d') }), ['/home/somebody/d', '/home/somebody/d.keys'])
})

test('a path with a slash at the end names the same key directory', () => {
  assert.equal(load({ file: file('data_dir: ~/d/') }).config.key_dir, '/home/somebody/d.keys')
})

test('describeConfig shows every key, and the admin key masked', () => {
  const env = { ...HOME, CYTOPLEX_ADMIN_KEY: 'a-secret-of-the-administrator' }
  const shown = describeConfig(load({ env }), 'environment CYTOPLEX_ADMIN_KEY')
  assert.deepEqual(
    shown.map(({ key }) => key),
    [...CONFIG_KEYS.map(({ name }) => name), 'admin key'],
  )
  assert.deepEqual(shown.at(-1), { key: 'admin key', value: '••••', origin: 'environment CYTOPLEX_ADMIN_KEY' })
  assert.doesNotMatch(JSON.stringify(shown), /a-secret/)
})

const PLUGINS = 'plugins:\n  - name: ./mine\n    version: 1.0.0\n'

test('maintenance is a list of times with their offset from UTC, from a file alone', () => {
  const entry = (start: string, more = '') =>
    file(
      `node:\n  maintenance:\n    - { start_time: ${start}, end_time: 2026-01-01T01:00:00Z, description: Disks${more} }\n`,
    )
  assert.deepEqual(load({ file: entry('2026-01-01T01:00+01:00') }).config.node.maintenance, [
    { start_time: '2026-01-01T01:00+01:00', end_time: '2026-01-01T01:00:00Z', description: 'Disks' },
  ])
  for (const start of ['2026-01-01', '2026-01-01T00:00:00', 'tomorrow', '1767225600']) {
    refuses({ file: entry(start) }, /^node\.maintenance /, /start_time, end_time \(such as 2026-01-31T22:00:00Z\)/)
  }
  refuses({ file: entry('2026-01-01T00:00:00Z', ', by: me') }, /^node\.maintenance /)
  refuses({ env: { ...HOME, CYTOPLEX_NODE_MAINTENANCE: 'now' } }, /CYTOPLEX_NODE_MAINTENANCE/)
})

test("the agent network's key is a secret: never shown, not even where it is refused", () => {
  const loaded = load({ env: { ...HOME, CYTOPLEX_HTTP_API_KEY: 'sesame-open' } })
  assert.equal(loaded.config.http.api_key, 'sesame-open')
  assert.doesNotMatch(JSON.stringify(describeConfig(loaded, 'environment CYTOPLEX_ADMIN_KEY')), /sesame/)
  assert.equal(load({ env: { ...HOME, CYTOPLEX_HTTP_API_KEY: '' } }).config.http.api_key, null)
  for (const key of ['sesame', 'sesame open', 'sesame'.repeat(50)]) {
    const env = { ...HOME, CYTOPLEX_HTTP_API_KEY: key }
    assert.throws(
      () => load({ env }),
      (error: Error) => {
        assert.match(error.message, /^http\.api_key .* 8 to 256 visible ASCII characters/)
        assert.doesNotMatch(error.message, /sesame/)
        return true
      },
    )
  }
})

test('plugins come from a file that others cannot write, and from nowhere else', () => {
  const path = file(PLUGINS)
  assert.deepEqual(load({ file: path }).config.plugins, [
    { name: './mine', version: '1.0.0', directory: resolve(path, '..') },
  ])
  for (const mode of [0o620, 0o602]) {
    chmodSync(path, mode)
    refuses({ file: path }, /names plugins, and others than its owner may write it/)
  }
  refuses({ env: { ...HOME, CYTOPLEX_PLUGINS: 'mine' } }, /environment CYTOPLEX_PLUGINS: no such key/)
  const env = { ...HOME, CYTOPLEX_PROVIDERS_BLOB_STORE: 'memory' }
  refuses({ env }, /environment CYTOPLEX_PROVIDERS_BLOB_STORE: no such key/)
})

test('a plugin without an exact version is refused', () => {
  for (const version of ['', '^1.0.0', '1', 'latest', '*', '1.0.0 || 2.0.0']) {
    const text = `plugins:\n  - name: mine\n    version: ${JSON.stringify(version)}\n`
    refuses({ file: file(text) }, /^plugins /, /name \(of an npm package, or \.\/path\), version \(exact\)/)
  }
})

test("a provider's configuration is taken as it is, and its secret is masked", () => {
  const text = 'providers:\n  rankers:\n    default: {provider_name: asking, api_key: sesame, depth: 3}\n'
  const others = ['memory', 'speed', 'battery'].map((name) => `    ${name}: {provider_name: ${name}}\n`).join('')
  const loaded = load({ file: file(text + others) })
  const choice = { provider_name: 'asking', api_key: 'sesame', depth: 3 }
  assert.deepEqual(loaded.config.providers.rankers.default, choice)
  assert.doesNotMatch(JSON.stringify(describeConfig(loaded, 'environment CYTOPLEX_ADMIN_KEY')), /sesame/)
  refuses({ file: file('providers:\n  blob_store: file\n') }, /providers\.blob_store .*a mapping with provider_name/)
})
