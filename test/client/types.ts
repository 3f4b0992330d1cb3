/**
 * What the types of the SDK promise. `npm run typecheck` compiles this against the sources, `test/package.test.ts` against the published package. Each
 * `@ts-expect-error` is a mistake that the types must catch.
 */
import {
  type Assembly,
  assemble,
  assembleStream,
  CCCMemoryClient,
  type Cell,
  type Client,
  type ClientError,
  contributorKey,
  createClient,
  type EventItem,
  memoryCache,
  NotFoundError,
  newRequestKeys,
  operatorKey,
  type PackageCache,
  type Progress,
  verifyProof,
  webCache,
} from '../../src/client/index.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <_Proof extends true>(): void => undefined

/** Never called: it is compiled. */
export async function expectations(client: Client, signal: AbortSignal): Promise<void> {
  const assembly = await assemble('image.resize', { version: '^2', nodes: ['https://node.example'], signal })
  same<Same<typeof assembly, Assembly>>()
  same<Same<typeof assembly.bytes, Uint8Array>>()
  same<Same<(typeof assembly.manifest)['cell_type'], string>>()
  same<Same<typeof assembly.cell, Cell>>()
  const { stream } = await assembleStream('image.resize', { nodes: 'https://node.example' })
  same<Same<typeof stream, ReadableStream<Uint8Array>>>()
  // @ts-expect-error a client needs nodes
  await assemble('image.resize', { version: '^2' })
  // @ts-expect-error what is verified is not to be changed
  assembly.manifest = stream
  // @ts-expect-error a proof is there at security level maximum only
  assembly.proof.evidence
  // @ts-expect-error a stream has no dependencies
  await assembleStream('image.resize', { nodes: 'https://node.example', dependencies: true })

  const how = { dependencies: true, maxBytes: 1, waitSeconds: 1, onProgress: (_: Progress) => undefined, signal }
  for (const { bytes } of (await client.assemble('image.resize', how)).dependencies)
    same<Same<typeof bytes, Uint8Array>>()
  // @ts-expect-error there is no such level
  await client.request({ capability: 'a', preferences: { security_level: 'highest' } })
  // @ts-expect-error by capability, not by type
  await client.request({ cellType: 'a' })
  // @ts-expect-error the range has its own place
  await client.request({ capability: 'a', preferences: { version_constraints: '^1' } })

  const caches: PackageCache[] = [memoryCache({ maxBytes: 1 }), webCache({ name: 'a' })]
  createClient({
    nodes: [],
    cache: caches[0],
    retries: 1,
    requestKeys: newRequestKeys({ hybrid: true }),
    apiKey: undefined,
  })
  // @ts-expect-error bytes, not text
  createClient({ nodes: [], cache: { get: () => 'text', set: () => undefined } })

  for await (const item of client.subscribe({ channels: ['contributions'], since: undefined, signal })) {
    same<Same<typeof item, EventItem>>()
    if (item.type === 'contribution_added') same<Same<typeof item.data.score, number>>()
    // @ts-expect-error a gap has no data
    if (item.type === 'gap') item.data
  }
  // @ts-expect-error there is no such channel
  client.subscribe({ channels: ['everything'] })

  const key = contributorKey(new Uint8Array(32))
  const verdict = await client.goals.contribute({ goalId: 'g', version: '1', parameters: new Uint8Array(), key })
  same<Same<typeof verdict.accepted, boolean>>()
  // @ts-expect-error a contribution is signed
  await client.goals.contribute({ goalId: 'g', version: '1', parameters: new Uint8Array() })

  const operator = operatorKey('team', { seed: new Uint8Array(32) })
  const { request, response } = await client.query({ query: 'q', domain: 'legal', operator, signal })
  same<Same<typeof request.operator_id, string>>()
  same<Same<typeof response.response_id, string>>()
  // @ts-expect-error there is no such mode
  await client.query({ query: 'q', domain: 'legal', mode: 'lenient' })
  for await (const { index } of client.batch.results('batch', { offset: 1 })) same<Same<typeof index, number>>()

  const memory = new CCCMemoryClient({ baseUrl: 'https://node.example' })
  const { session_id, token } = await memory.createSession({}, { signal })
  new CCCMemoryClient({ baseUrl: 'https://node.example', session: { session_id, token } })
  // @ts-expect-error there is one version
  new CCCMemoryClient({ baseUrl: 'https://node.example', apiVersion: 'v1' })

  const failure: ClientError = new NotFoundError('PROV_003', 'nothing', {})
  same<Same<typeof failure.retryAfter, number | undefined>>()
  // @ts-expect-error a file, not a number
  verifyProof(1)
}
