import type { DistinctCounter } from './distinct.ts'
import { Latencies, type LatencyBins } from './latencies.ts'
import { Names } from './names.ts'
import type { ReportContribution } from './report.ts'

/** Capabilities and platforms that one sum tells apart. */
const CAPABILITIES = 32
const PLATFORMS = 16

/** {@link CellSums} on disk. A sum that no report measured is left out. */
export interface StoredCellSums {
  readonly usageReports?: number
  readonly errorReports?: number
  readonly activations?: number
  readonly activeMs?: number
  /** Activations of reports that also told the active time, and of those that told the errors. */
  readonly timedActivations?: number
  readonly errors?: number
  readonly checkedActivations?: number
  readonly capabilities?: Readonly<Record<string, number>>
  readonly platforms?: Readonly<Record<string, number>>
  readonly initialization?: LatencyBins
  readonly signatures?: number
}

/** What reports about one version of a cell add up to. */
export class CellSums {
  usageReports = 0
  errorReports = 0
  activations = 0
  activeMs = 0
  timedActivations = 0
  errors = 0
  checkedActivations = 0
  readonly capabilities: Names
  readonly platforms: Names
  readonly initialization = new Latencies()
  /** Where the signatures are counted that came since these sums were read; then it also knows those before. */
  counter: DistinctCounter | undefined
  /** Distinct signatures when these sums were read, estimated; null when no report had one. */
  #signatures: number | null = null

  constructor(isBounded = true) {
    this.capabilities = new Names(isBounded ? CAPABILITIES : Number.POSITIVE_INFINITY)
    this.platforms = new Names(isBounded ? PLATFORMS : Number.POSITIVE_INFINITY)
  }

  get signatures(): number | null {
    return this.counter?.count ?? this.#signatures
  }

  add(report: ReportContribution): void {
    if (report.kind === 'error') {
      this.errorReports++
      return
    }
    this.usageReports++
    this.activations += report.activations
    if (report.activeMs !== undefined) {
      this.activeMs += report.activeMs
      this.timedActivations += report.activations
    }
    if (report.errors !== undefined) {
      this.errors += report.errors
      this.checkedActivations += report.activations
    }
    this.capabilities.addAll(report.capabilities)
    if (report.platform !== undefined) this.platforms.add(report.platform, report.activations)
    if (report.initializationMs !== undefined) this.initialization.add(report.initializationMs)
  }

  /** Distinct signatures are added up as they are, though some may be in both. */
  addAll(stored: StoredCellSums): void {
    this.usageReports += stored.usageReports ?? 0
    this.errorReports += stored.errorReports ?? 0
    this.activations += stored.activations ?? 0
    this.activeMs += stored.activeMs ?? 0
    this.timedActivations += stored.timedActivations ?? 0
    this.errors += stored.errors ?? 0
    this.checkedActivations += stored.checkedActivations ?? 0
    if (stored.capabilities !== undefined) this.capabilities.addAll(stored.capabilities)
    if (stored.platforms !== undefined) this.platforms.addAll(stored.platforms)
    if (stored.initialization !== undefined) this.initialization.addAll(stored.initialization)
    if (stored.signatures !== undefined) this.#signatures = (this.#signatures ?? 0) + stored.signatures
  }

  toJSON(): StoredCellSums {
    const { usageReports, errorReports, activations, activeMs, timedActivations, errors, checkedActivations } = this
    const counts = { usageReports, errorReports, activations, activeMs, timedActivations, errors, checkedActivations }
    const initialization = this.initialization.toJSON()
    const { signatures } = this
    return {
      ...Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0)),
      ...(this.capabilities.total === 0 ? {} : { capabilities: this.capabilities.toJSON() }),
      ...(this.platforms.total === 0 ? {} : { platforms: this.platforms.toJSON() }),
      ...(initialization.length === 0 ? {} : { initialization }),
      ...(signatures === null ? {} : { signatures }),
    }
  }
}

/** {@link NodeSums} on disk. */
export interface StoredNodeSums {
  readonly requests: number
  readonly failures: number
  readonly totalMs: number
  readonly peakPerSecond: number
  readonly latencies: LatencyBins
}

/** What requests to the node itself add up to. */
export class NodeSums {
  requests = 0
  failures = 0
  totalMs = 0
  peakPerSecond = 0
  readonly latencies = new Latencies()

  add(durationMs: number, isOk: boolean, inThisSecond: number): void {
    this.requests++
    if (!isOk) this.failures++
    this.totalMs += durationMs
    if (inThisSecond > this.peakPerSecond) this.peakPerSecond = inThisSecond
    this.latencies.add(durationMs)
  }

  addAll(stored: StoredNodeSums): void {
    this.requests += stored.requests
    this.failures += stored.failures
    this.totalMs += stored.totalMs
    this.peakPerSecond = Math.max(this.peakPerSecond, stored.peakPerSecond)
    this.latencies.addAll(stored.latencies)
  }

  toJSON(): StoredNodeSums {
    const { requests, failures, totalMs, peakPerSecond } = this
    return { requests, failures, totalMs, peakPerSecond, latencies: this.latencies.toJSON() }
  }
}
