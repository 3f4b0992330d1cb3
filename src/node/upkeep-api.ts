import type { BundleOrder, BundleReport, FsckLine, FsckOrder, GarbageReport } from '../../protocol/upkeep.ts'
import type { PackageSource } from './cells-api.ts'

/** Looking after a node's data, as the doors see it. `by` is who does it; what changes anything is logged. */
export interface Upkeep {
  /** The store as it is now, as lines of a snapshot: what a backup begins with. */
  snapshot(by: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>
  /** A package (`sha256:…`) that is here, without asking peers; undefined when it is not. */
  package(digest: string): Promise<PackageSource | undefined>
  /** Looks at everything that is stored; with `repair` mends what can be mended. Throws `PROV_013` while another check runs. */
  fsck(order: FsckOrder, by: string, signal: AbortSignal): Promise<AsyncIterable<FsckLine>>
  /** Removes what nothing refers to any more; a dry run only says what that is. */
  collectGarbage(dryRun: boolean, by: string, signal: AbortSignal): Promise<GarbageReport>
  /** Cells with everything that they depend on, as a tar archive. Throws `PROV_001` and `PROV_002`. */
  exportBundle(order: BundleOrder, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>
  /** Takes in such an archive as if a stranger had sent it. Throws `PROV_001` for what is none, and `PROV_013` while another one is taken in. */
  importBundle(
    bytes: AsyncIterable<Uint8Array>,
    dryRun: boolean,
    by: string,
    signal: AbortSignal,
  ): Promise<BundleReport>
}
