import type { ValidationResults } from '../../protocol/annotations.ts'
import type { Alternative, Coverage } from '../../protocol/cells.ts'
import type { PeerList, ProviderInfo } from '../../protocol/discovery.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { ConsistencyProof, InclusionProof } from '../../protocol/log.ts'
import type { Manifest } from '../../protocol/manifest.ts'
import type { ProviderPackage, RegisteredProvider } from '../../protocol/providers.ts'
import type { CellDetails, CellListQuery, CellListResponse, CellMetadata } from '../../protocol/repository.ts'
import type { CellAnswerText } from '../domain/cells/answer.ts'
import type { CellQuery } from '../domain/cells/query.ts'

export type { CellAnswerText, CellQuery }

/** How a request ended. */
export type RequestOutcome =
  | { readonly status: 'success'; readonly source: 'local' | 'directory' | 'dht'; readonly cell: CellAnswerText }
  | {
      readonly status: 'not_found'
      /** `PROV_003` nobody offers that name, `PROV_002` none that fits. */
      readonly code: 'PROV_002' | 'PROV_003'
      readonly alternatives: readonly Alternative[]
      readonly coverage: Coverage
    }
  | { readonly status: 'pending'; readonly estimatedWaitMs: number; readonly code?: ErrorCode }

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

export interface Health {
  readonly ready: boolean
  readonly degraded: boolean
  /** Why not ready or degraded; empty when all is well. */
  readonly reasons: readonly string[]
}

/** What the doors (HTTP, later others) may ask of a node. */
export interface ProviderNode {
  readonly providerId: string
  /** `hex(SHA-256(public key))[0:40]`. */
  readonly nodeId: string
  /** Ed25519 public key, base64. */
  readonly publicKey: string
  /** This node as a publisher: the publisher of what it signs for others. */
  readonly publisher: string

  /** Answers from the own store at once, without waiting; undefined when it holds nothing that fits. */
  answerLocally(query: CellQuery): CellAnswerText | undefined
  /** Answers for the federation. After `waitMs` the outcome is `pending`, and the search goes on for the next who asks. */
  requestCell(query: CellQuery, waitMs: number): Promise<RequestOutcome>

  /** Receives a package, hashing while it is written. Throws `ProviderError` 413 past the limit. Nothing is left behind when it fails. */
  stagePackage(bytes: AsyncIterable<Uint8Array>): Promise<StagedPackage>
  /** Validates and registers. Durable when it resolves. Throws `ProviderError` (`PROV_005` carries `details.validation_results`). */
  registerCell(registration: Registration): Promise<Registered>
  listCells(query: CellListQuery): Promise<CellListResponse>
  /** The version asked for, else the highest. Throws `PROV_002`. */
  cellDetails(cellType: string, version?: string): CellDetails
  /** Durable when it resolves. Throws `PROV_002`, and `PROV_015` while an active cell depends on it. */
  deleteCell(cellType: string, version: string): Promise<void>
  /** Throws `PROV_002` when neither this node nor a peer that it knows holds the package. */
  openPackage(digest: string, signal?: AbortSignal): Promise<PackageSource>

  /** The provider registry, and what this node uses of it. */
  readonly providers: {
    packages(): ProviderPackage[]
    /** Throws `PROV_001` with status 404, as `info` does. */
    package(name: string): ProviderPackage
    info(packageName: string, providerName: string): RegisteredProvider
  }
  /** The node's transparency log. What it does not have is `PROV_001` with status 404. */
  readonly log: {
    /** C2SP `tlog-checkpoint`. */
    checkpoint(): string
    /** Without a size, at the newest. */
    inclusion(index: number, size?: number): InclusionProof
    consistency(from: number, to?: number): ConsistencyProof
    /** Bytes of a tile or bundle; `path` starts with `tile/` (C2SP `tlog-tiles`). */
    tile(path: string): Uint8Array
  }
  info(): Promise<ProviderInfo>
  peers(): PeerList
  health(): Health
}
