import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools'
import { type NodeProcess, type NodeProcessOptions, startNodeProcess } from '../../scripts/nodes.ts'
import { CCCMemoryClient, type Client, contributorKey, createClient } from '../../src/client/index.ts'
import { SMALL_MODULE } from './modules.ts'

/** A federation with something on every page of its dashboard. */
export interface DashboardFederation {
  /** The node that is looked at. */
  readonly a: NodeProcess
  readonly nodes: readonly NodeProcess[]
  readonly client: Client
  readonly goalId: string
  /** An operator that may ask, and the secret that it signs with. */
  readonly operator: { readonly id: string; readonly secret: string }
  /** Opens a session in which something was said. */
  readonly sessionToken: string
}

const LEASE = `# Lease

The tenant pays the rent on the first day of each month. The deposit is two months of rent.

The landlord repairs the roof within fourteen days. Small repairs are the tenant's own affair. Pets are allowed with
the landlord's consent, which is given in writing.
`

/** Starts three nodes and gives them cells, a goal, a document, an operator and a session. `start` ends them with the test. */
export async function dashboardFederation(
  folder: string,
  start: (options: NodeProcessOptions) => Promise<NodeProcess> = startNodeProcess,
): Promise<DashboardFederation> {
  const b = await start({ dataDir: join(folder, 'b') })
  const seeds = [b.p2p_addrs[0]!]
  const [a, c] = await Promise.all([
    start({ dataDir: join(folder, 'a'), seeds }),
    start({ dataDir: join(folder, 'c'), seeds }),
  ])
  const client = createClient({ nodes: a.http_url, apiKey: a.adminKey })
  const module = Uint8Array.from(await readFile(SMALL_MODULE))
  const register = (to: Client, cellType: string, version: string, capability: string, description: string) =>
    to.registerCell({
      metadata: {
        cell_type: cellType,
        version,
        description,
        tags: ['maps', 'example'],
        capabilities: [{ name: capability, version }],
        metadata: { license: 'BSD-3-Clause', documentation_url: 'https://example.org/maps' },
      },
      package: module,
    })
  await register(client, 'source-map', '1.0.0', 'decode.mappings', 'Decodes source maps.')
  await register(client, 'source-map', '1.1.0', 'decode.mappings', 'Decodes source maps, faster.')
  await register(client, 'map-painter', '0.3.0', 'paint.mappings', 'Paints what was decoded.')
  const other = createClient({ nodes: c.http_url, apiKey: c.adminKey })
  await register(other, 'far-map', '1.0.5', 'decode.mappings', 'Decodes source maps elsewhere.')

  return {
    a,
    nodes: [a, b, c],
    client,
    goalId: await makeGoal(client),
    operator: await makeOperator(client, LEASE),
    sessionToken: await makeSession(a.http_url, {
      directive: 'Plan the move to the new flat.',
      content: 'The van is booked for Saturday at nine.',
    }),
  }
}

async function makeGoal(client: Client): Promise<string> {
  const source = await readFile(new URL('../../scripts/evaluators/nearest.wat', import.meta.url), 'utf8')
  const evaluator = Uint8Array.from(await parse(source))
  const { digest } = await client.registerCell({
    metadata: {
      cell_type: 'nearest',
      version: '1.0.0',
      capabilities: [{ name: 'evaluate.nearest', version: '1.0.0' }],
    },
    package: evaluator,
  })
  const goalId = 'nearest-point'
  await client.goals.create({
    goal_id: goalId,
    name: 'Nearest point',
    description: 'Come as near to the point as you can.',
    evaluator: { digest: digest! },
    admission: { kind: 'open', difficulty: 0 },
  })
  for (let turn = 0; turn < 12; turn++) {
    // Towards the point and past it, so that risk and reward differ.
    const parameters = new Uint8Array(Float64Array.of(turn / 12, 1 - turn / 16, Math.sin(turn) / 2 + 0.5).buffer)
    const key = contributorKey(new Uint8Array(32).fill(turn + 1))
    await client.goals.contribute({ goalId, version: '1.0', parameters, key })
  }
  return goalId
}

/** Registers a document that questions are answered from, and an operator who may ask them. */
export async function makeOperator(client: Client, text: string): Promise<DashboardFederation['operator']> {
  const { publisher } = await client.registerCell({
    metadata: {
      cell_type: 'lease',
      version: '1.0.0',
      description: 'A lease.',
      packaging_format: 'document',
      media_type: 'text/markdown',
      labels: { domain: 'legal' },
      capabilities: [{ name: 'document', version: '1.0.0' }],
    },
    package: new TextEncoder().encode(text),
  })
  await client.send('PUT', '/api/v1/assurance/approvals', { domain: 'legal', publisher })
  const id = 'team@example.org'
  const permissions = [{ domain: 'legal' as const, jurisdictions: null }]
  const { secret } = await client.operators.create({ operator_id: id, algorithm: 'hmac-sha256', permissions })
  return { id, secret: secret! }
}

/** The token of a session in which something was said. */
export async function makeSession(
  baseUrl: string,
  { directive, content }: { directive: string; content: string },
): Promise<string> {
  const memory = new CCCMemoryClient({ baseUrl })
  const { token } = await memory.createSession()
  const { conversation_id: conversation } = await memory.startConversation({ directive })
  await memory.addTurn(conversation, { agent: 'builder', content })
  return token
}
