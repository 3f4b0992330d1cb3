import { parse, type SemVer } from 'semver'
import type { ShownStatus } from '../../../protocol/annotations.ts'
import type { Requirements } from '../../../protocol/manifest.ts'
import type { Characteristics } from '../../kernel/plugins/packages/rankers.ts'

/**
 * A cell as far as choosing it needs: one line of a posting list, or of another node's announcement. What an announcement does not say is
 * absent, and is checked when the manifest is there.
 */
export interface Candidate extends Characteristics {
  /** Cell id: the manifest's digest. */
  readonly id: string
  readonly publisher: string
  readonly cellType: string
  /** The cell's version. */
  readonly version: string
  /** Version of the capability that was asked for; by cell type, the cell's version again. */
  readonly offered: string
  /** `yanked` is what a peer says of a cell that it announces; whether it is yanked is for the policy to say. */
  readonly status: ShownStatus
  /** Registered here; of what a peer offers, whether its publisher has registered cells of the same name here. It vouches for the publisher. */
  readonly registered: boolean
  readonly requirements?: Requirements | undefined
  /** Whether its signature has a post-quantum half. Known where security level `maximum` asks for it. */
  readonly hybrid?: boolean | undefined
  /** Whether whoever holds it can prove that they registered it. Known where security level `maximum` asks for it. */
  readonly logged?: boolean | undefined
  /** Of its package, of what a peer offers; for a cell that is here, its record says it. */
  readonly digest?: string | undefined
}

const versions = new Map<string, SemVer>()
const MAX_VERSIONS = 20_000

/** The parsed form of a version that a schema has accepted. Parsing costs more than comparing, so results are kept. */
export function semver(version: string): SemVer {
  let parsed = versions.get(version)
  if (parsed === undefined) {
    parsed = parse(version) ?? undefined
    if (parsed === undefined) throw new TypeError(`"${version}" is no semantic version`)
    if (versions.size >= MAX_VERSIONS) versions.clear()
    versions.set(version, parsed)
  }
  return parsed
}

/** The order of posting lists: highest offered version, then highest cell version, then the smaller id. */
export function byVersion(
  a: Pick<Candidate, 'id' | 'version' | 'offered'>,
  b: Pick<Candidate, 'id' | 'version' | 'offered'>,
): number {
  return (
    semver(b.offered).compare(semver(a.offered)) ||
    semver(b.version).compare(semver(a.version)) ||
    (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
  )
}
