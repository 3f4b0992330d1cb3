import type { TestContext } from 'node:test'
import type { Alternative } from '../../protocol/cells.ts'
import { type NodeProcess, type NodeProcessOptions, startNodeProcess } from '../../scripts/nodes.ts'

export { temporaryFolder } from './folders.ts'

/** A node that is stopped when the test ends. */
export async function nodeProcess(t: TestContext, options: NodeProcessOptions): Promise<NodeProcess> {
  const node = await startNodeProcess(options)
  t.after(async () => {
    if (node.child.exitCode === null && node.child.signalCode === null) await node.stop('SIGKILL')
  })
  return node
}

/** Provider API, "Register New Cell", as a plain multipart upload. */
export function upload(node: NodeProcess, metadata: object, bytes: Uint8Array): Promise<Response> {
  const form = new FormData()
  form.set('metadata', JSON.stringify(metadata))
  form.set('cell_package', new Blob([new Uint8Array(bytes)]), 'package')
  return fetch(`${node.http_url}/api/v1/repository/cells`, {
    method: 'POST',
    headers: { 'X-API-Key': node.adminKey },
    body: form,
  })
}

/** Provider API, "Request Cell by Capability". */
export async function requestCell(
  node: NodeProcess,
  capability: string,
  range?: string,
  waitSeconds = 10,
): Promise<{ status: number; body: CellBody }> {
  const response = await fetch(`${node.http_url}/api/v1/cells/request`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Prefer: `wait=${waitSeconds}` },
    body: JSON.stringify({
      request_id: crypto.randomUUID(),
      capability,
      ...(range === undefined ? {} : { preferences: { version_constraints: range } }),
    }),
  })
  return { status: response.status, body: (await response.json()) as CellBody }
}

/** What the tests look at. */
export interface CellBody {
  readonly status: string
  readonly code?: string
  readonly cell?: {
    readonly cell_id: string
    readonly version: string
    readonly digest: string
    readonly download_url: string
    readonly metadata: { readonly provider: string }
  }
  readonly alternatives?: readonly Alternative[]
  readonly coverage?: { readonly sources: readonly { readonly source: string; readonly candidates: number }[] }
}

/** Asks until the federation has converged on an answer; throws with the last one after 20 s. */
export async function untilAnswered(
  node: NodeProcess,
  capability: string,
  range?: string,
): Promise<NonNullable<CellBody['cell']>> {
  const deadline = performance.now() + 20_000
  while (true) {
    const { body } = await requestCell(node, capability, range)
    if (body.cell !== undefined) return body.cell
    if (performance.now() > deadline) throw new Error(`no answer: ${JSON.stringify(body)}`)
    await new Promise((again) => setTimeout(again, 50))
  }
}
