/**
 * Who may import whom, for dependency-cruiser. `test/architecture.test.ts` runs it inside the normal test run.
 * ARCHITECTURE.md, "Who may import whom", is the same table for people.
 */
const { builtinModules } = require('node:module')

const BUILT_IN = `^(node:)?(${builtinModules.filter((name) => !name.startsWith('_')).join('|')})$`
const OURS = '^(protocol|src|scripts|test)/'

/** A room may reach only these paths of ours. */
function room(name, from, allowed, comment) {
  return {
    name: `room-${name}`,
    comment,
    severity: 'error',
    from: { path: from },
    to: { path: OURS, pathNot: allowed },
  }
}

/** A package is used behind one door only. */
function door(name, to, behind, comment) {
  return {
    name: `door-${name}`,
    comment,
    severity: 'error',
    from: { path: OURS, pathNot: ['^(test|scripts)/', ...behind] },
    to: { path: to },
  }
}

const KERNEL_COMMON = ['^src/kernel/(base|telemetry)/', '^protocol/']

module.exports = {
  forbidden: [
    room('protocol', '^protocol/', ['^protocol/'], 'the contract stands alone'),
    room('base', '^src/kernel/base/', ['^src/kernel/base/', '^protocol/'], 'base stands on the contract only'),
    room(
      'kernel',
      '^src/kernel/(?!(?:base|log)/)([^/]+)/',
      ['^src/kernel/$1/', ...KERNEL_COMMON],
      'a kernel room stands on base, telemetry and protocol',
    ),
    room(
      'log',
      '^src/kernel/log/',
      ['^src/kernel/(log|storage|identity)/', ...KERNEL_COMMON],
      'the log stands on storage and borrows the verifier of identity',
    ),
    room(
      'domain',
      '^src/domain/([^/]+)/',
      ['^src/domain/$1/', '^src/kernel/', '^protocol/'],
      'no domain knows another, HTTP or libp2p',
    ),
    room(
      'providers',
      '^src/providers/([^/]+)/',
      ['^src/providers/$1/', '^src/kernel/', '^protocol/'],
      'a provider knows neither a domain nor another package',
    ),
    room(
      'built-in',
      '^src/providers/built-in',
      ['^src/providers/', '^src/kernel/plugins/'],
      'the list of what comes with the node',
    ),
    room(
      'network',
      '^src/network/',
      ['^src/network/', '^src/kernel/', '^protocol/'],
      'the network gets handlers as arguments',
    ),
    room(
      'node',
      '^src/node/',
      ['^src/(node|domain|network|providers|kernel)/', '^protocol/'],
      'the node composes everything that has no door to people',
    ),
    room(
      'http',
      '^src/http/',
      ['^src/(http|node)/', '^src/kernel/(base|telemetry|config)/', '^protocol/'],
      'the facade knows the node and nothing behind it',
    ),
    room(
      'cli',
      '^src/cli/',
      ['^src/(cli|client|http|node)/', '^src/kernel/(base|telemetry|config|identity)/', '^protocol/'],
      'a verb talks to a node through the client; `start` puts node and facade together, key verbs use identity',
    ),
    room(
      'client',
      '^src/client/',
      ['^src/client/', '^src/kernel/(base|identity|log)/', '^protocol/'],
      'the SDK stands on the contract and on browser-safe kernel files',
    ),
    room(
      'dashboard',
      '^src/dashboard/',
      ['^src/(dashboard|client)/', '^src/kernel/(base|identity|log)/', '^src/kernel/telemetry/escape', '^protocol/'],
      'the dashboard knows a node by its API, and verifies with the code of the SDK',
    ),
    {
      name: 'client-is-browser-safe',
      comment: 'no Node built-in is reachable from the SDK and the dashboard',
      severity: 'error',
      from: { path: '^src/(client|dashboard)/', pathNot: '^src/client/file-cache\\.ts$' },
      to: { path: BUILT_IN, reachable: true },
    },
    {
      name: 'product-without-tools',
      comment: 'neither source nor contract imports scripts or tests',
      severity: 'error',
      from: { path: '^(src|protocol)/' },
      to: { path: '^(scripts|test)/' },
    },
    door(
      'libp2p',
      '^node_modules/(libp2p|@libp2p/|@chainsafe/libp2p-|@multiformats/multiaddr)',
      ['^src/network/'],
      'libp2p only in network/',
    ),
    door(
      'level',
      '^node_modules/(level|classic-level|abstract-level|browser-level)/',
      ['^src/kernel/storage/'],
      'level only in kernel/storage/',
    ),
    door('websockets', '^node_modules/(ws|@types/ws)/', ['^src/http/'], 'WebSockets are served in http/ only'),
    door('fastify', '^node_modules/(fastify/|@fastify/|@scalar/)', ['^src/http/'], 'fastify only in http/'),
    door(
      'ed25519',
      '^node_modules/@noble/(ed25519|curves|post-quantum)/',
      ['^src/kernel/identity/'],
      'signatures only in kernel/identity/',
    ),
    door(
      'workers',
      '^(node:)?worker_threads$',
      ['^src/providers/(validators|blob-stores|embeddings)/', '^src/kernel/text/'],
      'threads where heavy work is',
    ),
    door(
      'pages',
      '^node_modules/(preact|uplot|d3-force)/',
      ['^src/dashboard/'],
      'what pages are made of only in dashboard/',
    ),
    door('jwt', '^node_modules/jose/', ['^src/kernel/identity/'], 'tokens are signed and verified in kernel/identity/'),
    door('sqlite', '^(node:)?sqlite$', ['^src/kernel/text/'], 'SQLite only in kernel/text/'),
    door('processes', '^(node:)?child_process$', ['^src/kernel/sandbox/'], 'processes only in the sandbox'),
    door(
      'archives',
      '^node_modules/tar-stream/',
      ['^src/providers/validators/', '^src/node/upkeep/'],
      'archives are opened by validators, and as bundles',
    ),
    door(
      'components',
      '^node_modules/@bytecodealliance/',
      ['^src/providers/validators/'],
      'components are opened by validators only',
    ),
    door(
      'sockets',
      '^(node:)?(http|https|http2|net|tls|dgram|undici)$',
      ['^src/(http|network|kernel/egress)/'],
      'sockets only behind the two doors of a node, and the one outwards',
    ),
    {
      name: 'no-circles',
      comment: 'a circle of modules has no order in which it can be read; type-only imports do not count',
      severity: 'error',
      from: { path: '^(src|protocol)/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'resolvable',
      comment:
        'an import that resolves to nothing; what plugins import of the program is resolved when they are loaded',
      severity: 'error',
      from: { path: OURS, pathNot: '^test/plugins/' },
      to: { couldNotResolve: true },
    },
    {
      name: 'declared',
      comment:
        'a package that the product imports is among its dependencies; the build puts those of the dashboard into its files',
      severity: 'error',
      from: { path: '^(src|protocol)/', pathNot: '^src/dashboard/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
  ],
}
