import type { CellAnswer, LockConflict, LockEntry } from '../../../protocol/cells.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { parseAnswer } from '../../domain/cells/answer.ts'
import { inRange, parseRange } from '../../domain/cells/resolver.ts'
import type { RequestOutcome } from '../api.ts'

/** Cells that are looked for: a choice that changes what else is needed leads to further ones. */
const MAX_LOOKUPS = 2 * LIMITS.lockEntries
/** Capabilities that are looked for at once. */
const AT_ONCE = 8
/** Characters of a range, as peers are asked for it. */
const MAX_RANGE = 256

type Requirer = LockEntry['required_by'][number]

/** Finds the best cell that offers a capability in a range. */
export type FindCapability = (capability: string, range: string) => Promise<RequestOutcome>

/** A cell for everything that is needed, or what stands against it. */
export type Lock = { readonly lock: LockEntry[] } | { readonly conflicts: LockConflict[] }

/** A capability that no cell was found for, as long as the same cells need it. */
interface Failure {
  readonly requiredBy: string
  readonly conflict: LockConflict
}

/**
 * The closure of what `root` depends on: for each capability the best cell that suits everybody who needs it. A choice that changes who needs what
 * is made again, until nothing changes. There is one cell for a capability, as one assembly has one; a cycle ends at the cell that was
 * chosen.
 */
export async function resolveDependencies(root: CellAnswer, find: FindCapability): Promise<Lock> {
  const picks = new Map<string, CellAnswer>()
  const failures = new Map<string, Failure>()
  let lookups = 0
  while (true) {
    const needs = needsOf(root, picks)
    if (needs.size > LIMITS.lockEntries) return { conflicts: [tooMany(needs)] }
    const open = [...needs].filter(([capability, by]) => !suits(picks.get(capability), capability, by))
    const news = open.filter(([capability, by]) => failures.get(capability)?.requiredBy !== JSON.stringify(by))
    if (open.length === 0) return { lock: [...needs].map(([name, by]) => entryOf(picks.get(name)!, name, by)) }
    if (news.length === 0) return { conflicts: open.map(([capability]) => failures.get(capability)!.conflict) }
    lookups += news.length
    if (lookups > MAX_LOOKUPS) return { conflicts: news.map(([capability, by]) => unsettled(capability, by)) }
    for (let from = 0; from < news.length; from += AT_ONCE) {
      const found = news.slice(from, from + AT_ONCE).map(([capability, by]) => pick(capability, by, find))
      for (const { capability, by, cell, conflict } of await Promise.all(found)) {
        if (cell !== undefined) picks.set(capability, cell)
        else picks.delete(capability)
        if (conflict !== undefined) failures.set(capability, { requiredBy: JSON.stringify(by), conflict })
      }
    }
  }
}

const unsettled = (capability: string, by: Requirer[]): LockConflict => ({
  capability,
  required_by: by,
  reason: `no choice came to rest in ${MAX_LOOKUPS} steps`,
})

/** Who needs what, as far as it is reached from `root` through the cells that were picked. What `root` offers itself is not needed. */
function needsOf(root: CellAnswer, picks: ReadonlyMap<string, CellAnswer>): Map<string, Requirer[]> {
  const needs = new Map<string, Requirer[]>()
  const visited = new Set<string>()
  const queue = [root]
  for (let cell = queue.shift(); cell !== undefined; cell = queue.shift()) {
    if (visited.has(cell.cell_id)) continue
    visited.add(cell.cell_id)
    const { cell_type, version, dependencies } = cell.manifest
    for (const { capability, version_constraint } of dependencies) {
      const by: Requirer = { cell_type, version, version_constraint }
      if (suits(root, capability, [by])) continue
      needs.set(capability, [...(needs.get(capability) ?? []), by])
      const next = picks.get(capability)
      if (next !== undefined) queue.push(next)
    }
  }
  return needs
}

function suits(cell: CellAnswer | undefined, capability: string, by: readonly Requirer[]): boolean {
  const version = cell && versionOf(cell, capability)
  return version !== undefined && by.every((requirer) => inRange(version, requirer.version_constraint))
}

const versionOf = ({ manifest }: CellAnswer, capability: string): string | undefined =>
  manifest.capabilities.find(({ name }) => name === capability)?.version

interface Picked {
  readonly capability: string
  readonly by: readonly Requirer[]
  readonly cell?: CellAnswer
  readonly conflict?: LockConflict
}

async function pick(capability: string, by: Requirer[], find: FindCapability): Promise<Picked> {
  const refused = (reason: string): Picked => ({ capability, by, conflict: { capability, required_by: by, reason } })
  let range = by[0]!.version_constraint
  for (const { version_constraint } of by.slice(1)) {
    // Each may multiply the length by the alternatives of the next: one that is too long only grows.
    if (range.length <= MAX_RANGE) range = intersection(range, version_constraint)
  }
  if (range.length > MAX_RANGE) return refused(`the constraints come to more than ${MAX_RANGE} characters`)
  const outcome = await find(capability, range)
  if (outcome.status === 'success') return { capability, by, cell: parseAnswer(outcome.cell) }
  if (outcome.status === 'pending') return refused('nobody answered in time')
  if (outcome.code === 'PROV_003') return refused('nobody offers it')
  const whom = by.length > 1 ? ' at once' : ''
  const there = outcome.alternatives
    .slice(0, 3)
    .map((one) => `${one.cell_type} ${one.version}: ${one.compatibility_notes}`)
  return refused(`nothing fits ${range || '*'}${whom}${there.length === 0 ? '' : `; there is ${there.join('; ')}`}`)
}

/** A range of the versions that are in both. Expanded first: `1.0.0 - 2.0.0` stands for itself only where it stands alone. */
function intersection(a: string, b: string): string {
  const parts = (range: string): string[] => parseRange(range).range.split('||')
  return parts(a)
    .flatMap((one) => parts(b).map((other) => `${one.trim()} ${other.trim()}`.trim()))
    .join('||')
}

function entryOf(cell: CellAnswer, capability: string, by: Requirer[]): LockEntry {
  const { cell_id, cell_type, version, publisher, publisher_trust, packaging_format, digest, size_bytes, log } = cell
  return {
    capability,
    capability_version: versionOf(cell, capability)!,
    cell_id,
    cell_type,
    version,
    publisher,
    publisher_trust,
    packaging_format,
    digest,
    size_bytes,
    required_by: by,
    ...(log === undefined ? {} : { log }),
  }
}

function tooMany(needs: ReadonlyMap<string, Requirer[]>): LockConflict {
  const [capability, by] = [...needs].at(-1)!
  const reason = `the cell depends on more than ${LIMITS.lockEntries} capabilities, directly or not`
  return { capability, required_by: by, reason }
}
