import { satisfies } from 'semver'
import type { LockEntry } from '../../protocol/cells.ts'
import { type Handler, type SignedCell, sendJson, sendPackage } from './fake-node.ts'

/** A fake node's answers about cells that depend on each other: by capability, with their lock, by type, and their packages. */
export function serveCells(cells: readonly SignedCell[], lockOf = honestLock): Handler {
  return (request, response) => {
    const digest = /^\/api\/v1\/cells\/packages\/(.+)$/.exec(request.path)?.[1]
    if (digest !== undefined) {
      const cell = cells.find(({ answer }) => answer.digest === digest)
      if (cell === undefined) return sendJson(response, 404, { code: 'PROV_003', message: 'there is no such package' })
      return sendPackage(request, response, cell.bytes)
    }
    const body = JSON.parse(request.body.toString()) as Asked
    const cell = cells.find((one) => fits(one, body))
    if (cell === undefined) {
      return sendJson(response, 404, { request_id: body.request_id, status: 'not_found', code: 'PROV_003' })
    }
    const lock = body.preferences?.resolve_dependencies ? { lock: lockOf(cell, cells) } : {}
    sendJson(response, 200, { request_id: body.request_id, status: 'success', cell: cell.answer, ...lock })
  }
}

interface Asked {
  readonly request_id: string
  readonly capability?: string
  readonly cell_type?: string
  readonly version?: string
  readonly preferences?: { readonly resolve_dependencies?: boolean }
}

function fits({ answer }: SignedCell, { capability, cell_type, version = '*' }: Asked): boolean {
  if (capability !== undefined) return answer.capability === capability
  return answer.cell_type === cell_type && satisfies(answer.version, version)
}

/** Everything that a cell depends on, directly or not. */
export function honestLock(root: SignedCell, cells: readonly SignedCell[]): LockEntry[] {
  const lock = new Map<string, LockEntry>()
  const visit = ({ manifest }: SignedCell): void => {
    for (const { capability, version_constraint } of manifest.dependencies) {
      if (capability === root.answer.capability || lock.has(capability)) continue
      const next = cells.find(({ answer }) => answer.capability === capability)
      if (next === undefined) continue
      lock.set(capability, entryOf(next, [{ ...manifest, version_constraint }]))
      visit(next)
    }
  }
  visit(root)
  return [...lock.values()]
}

function entryOf({ answer, manifest }: SignedCell, by: LockEntry['required_by']): LockEntry {
  const { capability, cell_id, cell_type, version, publisher, publisher_trust, packaging_format, digest } = answer
  return {
    capability,
    capability_version: manifest.capabilities[0]!.version,
    cell_id,
    cell_type,
    version,
    publisher,
    publisher_trust,
    packaging_format,
    digest,
    size_bytes: answer.size_bytes,
    required_by: by.map((one) => ({
      cell_type: one.cell_type,
      version: one.version,
      version_constraint: one.version_constraint,
    })),
  }
}
