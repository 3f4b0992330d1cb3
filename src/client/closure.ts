import { satisfies } from 'semver'
import { LIMITS } from '../../protocol/limits.ts'
import type { Manifest } from '../../protocol/manifest.ts'
import { ClientError, IntegrityError } from './errors.ts'
import type { Cell } from './verify.ts'

/** Cells that are looked up at once: enough to hide the round trips, too few to be turned away. */
const AT_ONCE = 4

/** The cell behind an entry of a lock, verified. */
export type LookUp = (entry: NonNullable<Cell['lock']>[number]) => Promise<Cell>

/**
 * Everything that a cell depends on, each after what it depends on itself, as far as there is no circle. The node's lock says which cells; that they are
 * signed, and what every one of them depends on, say the manifests. Throws `IntegrityError` when the lock leaves something out.
 */
export async function closureOf(root: Cell, lookUp: LookUp): Promise<Cell[]> {
  const lock = root.lock
  if (lock === undefined)
    throw new IntegrityError(`${root.node} was asked for a lock and sent none`, { node: root.node })
  if (lock.length > LIMITS.lockEntries) {
    const message = `${root.node} sent a lock of ${lock.length} cells, allowed are ${LIMITS.lockEntries}`
    throw new ClientError('BAD_ANSWER', message, { node: root.node })
  }
  const entries = [...new Map(lock.map((entry) => [entry.cell_id, entry])).values()]
  const cells = new Map<string, Cell>()
  for (const cell of await inTurns(entries, lookUp)) cells.set(cell.cell_id, cell)
  const byCapability = new Map(lock.map(({ capability, cell_id }) => [capability, cells.get(cell_id)!]))
  return inOrder(root, byCapability)
}

/** Walks the manifests, and so finds what is needed, whatever the lock says. */
function inOrder(root: Cell, byCapability: ReadonlyMap<string, Cell>): Cell[] {
  const visited = new Set([root.cell_id])
  const ordered: Cell[] = []
  const visit = (cell: Cell): void => {
    const { cell_type, version, dependencies } = cell.manifest
    for (const { capability, version_constraint: range } of dependencies) {
      if (offers(root.manifest, capability, range)) continue
      const next = byCapability.get(capability)
      if (next === undefined || !offers(next.manifest, capability, range)) {
        const message = `${root.node} sent a lock without ${capability} ${range}, which ${cell_type} ${version} depends on`
        throw new IntegrityError(message, { node: root.node })
      }
      if (visited.has(next.cell_id)) continue
      visited.add(next.cell_id)
      visit(next)
      ordered.push(next)
    }
  }
  visit(root)
  return ordered
}

const offers = ({ capabilities }: Manifest, name: string, range: string): boolean =>
  capabilities.some((one) => one.name === name && satisfies(one.version, range))

/** `work` on each item, a few at once, results in the order of the items. After a failure nothing further begins. */
export async function inTurns<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  const waiting = items.entries()
  let failed = false
  const worker = async (): Promise<void> => {
    for (const [index, item] of waiting) {
      if (failed) return
      try {
        results[index] = await work(item)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker))
  return results
}
