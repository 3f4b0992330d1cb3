import { validRange } from 'semver'
import type { AnnouncedCell } from '../../../protocol/announcement.ts'
import type { FollowPolicy } from '../../../protocol/replication.ts'
import { utf8 } from '../../kernel/base/bytes.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import { sha256Hex } from '../../kernel/base/hash.ts'
import { semver } from './candidate.ts'
import { inRange } from './resolver.ts'

const ID_LENGTH = 12

/** What a policy is called: the same for the same cells, whatever its budget, so that a changed budget takes over what is kept. */
export function policyId({ publisher, capability, partner, versions }: FollowPolicy): string {
  const followed = { publisher, capability, partner, versions }
  return sha256Hex(utf8(canonicalJson(followed))).slice(0, ID_LENGTH)
}

/** What is wrong with a policy that its schema cannot say; undefined when nothing is. */
export function policyProblem({ versions }: FollowPolicy): string | undefined {
  if (versions === undefined || validRange(versions) !== null) return undefined
  return `versions: found ${JSON.stringify(versions)}, allowed is an npm semver range such as ">=1.2.0 <2"`
}

/** Whether a policy is about a cell that `provider` announces. */
export function follows(policy: FollowPolicy, cell: AnnouncedCell, provider: string): boolean {
  const { publisher, capability, partner, versions } = policy
  if (versions !== undefined && !inRange(cell.version, versions)) return false
  if (publisher !== undefined) return cell.publisher === publisher
  if (partner !== undefined) return provider === partner && cell.copy !== true
  return capability !== undefined && cell.capabilities.some(({ name }) => matches(capability, name))
}

/** Whether a name fits a pattern in which `*` stands for any characters. Takes time in proportion to both lengths, whatever the pattern. */
export function matches(pattern: string, name: string): boolean {
  let at = 0
  let next = 0
  /** Where the last `*` was, and how much of the name it stood for. */
  let star = -1
  let taken = 0
  while (next < name.length) {
    if (at < pattern.length && pattern[at] === '*') {
      star = at++
      taken = next
    } else if (at < pattern.length && pattern[at] === name[next]) {
      at++
      next++
    } else if (star !== -1) {
      at = star + 1
      next = ++taken
    } else return false
  }
  while (pattern[at] === '*') at++
  return at === pattern.length
}

/** Cells in the order in which they are kept: of each type of each publisher first the newest version, then the one before, and so on. */
export function newestFirst<Cell extends Pick<AnnouncedCell, 'publisher' | 'cell_type' | 'version'>>(
  cells: readonly Cell[],
): Cell[] {
  const ofType = new Map<string, Cell[]>()
  for (const cell of cells) {
    const key = `${cell.publisher}/${cell.cell_type}`
    const versions = ofType.get(key)
    if (versions === undefined) ofType.set(key, [cell])
    else versions.push(cell)
  }
  const rounds: Cell[][] = []
  for (const versions of ofType.values()) {
    versions.sort((a, b) => semver(b.version).compare(semver(a.version)))
    for (const [round, cell] of versions.entries()) {
      if (round === rounds.length) rounds.push([cell])
      else rounds[round]!.push(cell)
    }
  }
  return rounds.flat()
}
