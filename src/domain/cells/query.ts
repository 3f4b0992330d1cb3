import type { DeviceInfo, OptimizationPriority, SecurityLevel } from '../../../protocol/cells.ts'

/** What an assembler asks for, independent of the door it came through. */
export interface CellQuery {
  readonly by: 'capability' | 'cell_type'
  readonly name: string
  /** npm semver range over the capability's version (by capability) or the cell's; absent means any release. */
  readonly range?: string | undefined
  readonly device?: DeviceInfo | undefined
  readonly priority?: OptimizationPriority | undefined
  readonly securityLevel?: SecurityLevel | undefined
  /** Publishers that the request pins. */
  readonly publishers?: readonly string[] | undefined
  /** Whether to say of every candidate what became of it. */
  readonly explain?: boolean | undefined
  /** Whether to find a cell for everything that the answer depends on as well. */
  readonly resolveDependencies?: boolean | undefined
}
