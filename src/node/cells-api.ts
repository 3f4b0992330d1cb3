import type { ValidationResults } from '../../protocol/annotations.ts'
import type { Alternative, Considered, Coverage, LockConflict, LockEntry } from '../../protocol/cells.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { Manifest } from '../../protocol/manifest.ts'
import type { CellMetadata, CellUpdateMetadata } from '../../protocol/repository.ts'
import type { YankReason } from '../../protocol/yank.ts'
import type { CellAnswerText } from '../domain/cells/answer.ts'

/** How a request ended. Explanation, lock and conflicts are there where the request asks for them. */
export type RequestOutcome =
  | {
      readonly status: 'success'
      readonly source: 'local' | 'directory' | 'partners' | 'dht'
      readonly cell: CellAnswerText
      /** Where the request asks for more than the cell. */
      readonly coverage?: Coverage
      readonly explanation?: readonly Considered[]
      readonly lock?: readonly LockEntry[]
    }
  | {
      readonly status: 'not_found'
      /** `PROV_003` nobody offers that name, `PROV_002` none that fits. */
      readonly code: 'PROV_002' | 'PROV_003'
      readonly alternatives: readonly Alternative[]
      readonly coverage: Coverage
      readonly explanation?: readonly Considered[]
      readonly conflicts?: readonly LockConflict[]
    }
  | { readonly status: 'pending'; readonly estimatedWaitMs: number; readonly code?: ErrorCode }

/** Who asks for a request's record: whoever owns it, or holds the token of one that nobody owns. */
export interface Requester {
  /** Pseudonym of a signing key, or name of a credential. */
  readonly owner: string | undefined
  /** From the header `Request-Token`. */
  readonly token: string | undefined
  readonly isAdmin: boolean
}

/** A request that was made before, and what became of it. */
export interface RequestRecord {
  readonly requestId: string
  /** Present where nobody owns it. */
  readonly token: string | undefined
  /** Undefined while it is pending. */
  readonly outcome: RequestOutcome | undefined
}

/** A package that was received and hashed, but belongs to no cell yet. Discard it, or register it. */
export interface StagedPackage {
  /** `sha256:<hex>` */
  readonly digest: string
  readonly size: number
  /** Deletes the bytes, unless a registration took them. Safe to call always. */
  discard(): Promise<void>
}

export interface Registration {
  readonly metadata: CellMetadata
  readonly package: StagedPackage
  /** The publisher's manifest, as parsed JSON that nobody has checked. Absent: the node builds and signs one. */
  readonly manifest?: unknown
  /** `cs1.…` over that manifest. */
  readonly manifestSignature?: string | undefined
  /** Who registers; ownership of a provider-signed cell type goes to it. */
  readonly credential: string
}

/** A new version of a cell that is here. */
export interface CellUpdate extends Omit<Registration, 'metadata' | 'package'> {
  readonly cellType: string
  /** The new version; must agree with the metadata's, and may be left out when that says it. */
  readonly version?: string | undefined
  /** What is left out is the manifest's to say where one is sent, else it is taken from the highest version. */
  readonly metadata: CellUpdateMetadata
  /** Absent: the package of the highest version. */
  readonly package?: StagedPackage | undefined
}

/** A yank of a version that this node holds, or its undoing. */
export interface CellYank {
  readonly cellType: string
  readonly version: string
  /** Chooses among several cells with that type and version. */
  readonly cellId?: string | undefined
  /** The publisher's own word, `ys1.…`; then nothing of the following counts. */
  readonly token?: string | undefined
  /** Needed, unless a yank is undone. */
  readonly reason?: YankReason | undefined
  readonly message?: string | undefined
  readonly undo: boolean
  readonly credential: string
  readonly isAdmin: boolean
}

/** What an authority has said of a cell now. */
export interface Yanked {
  readonly cellId: string
  readonly yanked: boolean
  readonly counter: number
  readonly by: 'publisher' | 'operator'
}

export interface Registered {
  readonly cellId: string
  readonly manifest: Manifest
  readonly signedBy: 'publisher' | 'provider'
  readonly validation: ValidationResults
}

/** A package to read from: held here, or arriving from a peer while it is read. */
export interface PackageSource {
  readonly digest: string
  readonly size: number
  /** True when every byte is here. */
  readonly complete: boolean
  /**
   * Verified bytes from `start` to `end` (inclusive), in order. A chunk is valid only until the next one is asked for. Throws when the
   * rest cannot be had, so that a reader never takes a part for the whole.
   */
  read(start: number, end: number, signal?: AbortSignal): AsyncIterable<Uint8Array>
  close(): Promise<void>
}
