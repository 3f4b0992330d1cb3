import type { Logger } from './logger.ts'

/** Everything that happens in a node and that others may want to know. Each event has exactly one place that emits it. */
export interface EventMap {
  /** A cell was registered here, and is durable. */
  cell_registered: {
    readonly cellId: string
    readonly cellType: string
    readonly version: string
    readonly publisher: string
    readonly signedBy: 'publisher' | 'provider'
    /** `sha256:<hex>` of the package. */
    readonly digest: string
    readonly bytes: number
  }
  /** A registered cell was deleted here. */
  cell_deleted: { readonly cellId: string; readonly cellType: string; readonly version: string }
  /** A cell was yanked, or that was undone: by its publisher, as far as this node heard, or by the operator of this node. */
  cell_yanked: {
    readonly cellId: string
    readonly yanked: boolean
    readonly reason: 'compromised' | 'broken' | 'superseded' | 'withdrawn'
    readonly by: 'publisher' | 'operator'
  }
  /** Another node's package is now held here, whole and verified. */
  cell_cached: {
    readonly digest: string
    readonly bytes: number
    readonly publisher: string
    /** The provider id that it came from. */
    readonly from: string
  }
  /** The copy of another node's package was removed: to make room, because it was yanked, or by the operator. */
  cell_evicted: { readonly digest: string; readonly bytes: number; readonly publisher: string }
  /** The first connection to a peer is open. */
  peer_connected: {
    readonly providerId: string
    /** Multiaddr of the other end. */
    readonly address: string
    readonly direction: 'inbound' | 'outbound'
  }
  /** The last connection to a peer is closed. */
  peer_disconnected: { readonly providerId: string }
  /** A peer was banned: its connections are closed, and it is not connected to. */
  peer_banned: {
    readonly providerId: string
    /** In words. */
    readonly reason: string
    /** Unix milliseconds; null: until an administrator lifts it. */
    readonly until: number | null
  }
  /** A ban was lifted, or is over. */
  peer_unbanned: { readonly providerId: string }
  /** A set of records was reconciled with a peer, by this node's wish. */
  set_reconciled: {
    readonly peer: string
    readonly set: string
    /** Whether nothing was left to be fetched or offered. */
    readonly complete: boolean
    readonly rounds: number
    /** Characters of the ranges that travelled, in both directions. */
    readonly characters: number
    /** Records that the peer had and this node did not; and those of them that were taken or not. */
    readonly lacking: number
    readonly accepted: number
    readonly ignored: number
    /** Records that the peer took. */
    readonly given: number
  }
  /** Peers reach this node at other addresses than before: a relay came or went. */
  addresses_changed: { readonly addresses: readonly string[] }
  /** A page of another provider's announcement was verified and is newer than what was known. */
  announcement_received: {
    readonly providerId: string
    readonly sequence: number
    readonly cells: number
    /** The peer that told of it. */
    readonly from: string
  }
  /** An announcement was not taken. */
  announcement_refused: {
    /** Who claims to have made it; absent when it could not be read. */
    readonly providerId?: string
    /** A short fixed word (`signature`, `stale`, `future`, `schema`, …), never text from the network: it becomes a label. */
    readonly reason: string
  }
  /** A node was found to have signed two histories of its log. */
  equivocation_found: { readonly providerId: string }
  /** A node did not prove that its log grew as it must, or has proven it by now. */
  log_standing: { readonly providerId: string; readonly standing: 'good' | 'suspended' }
  /** A witness cosigned this node's log. */
  checkpoint_cosigned: { readonly witness: string; readonly size: number }
  /** The root of one of this node's logs was committed to an anchor, which need not be Tau. */
  tau_commit: {
    /** Null for the node's own log. */
    readonly goalId: string | null
    readonly logSize: number
    /** Lower-case hexadecimal. */
    readonly root: string
    readonly anchor: string
  }
  /** This node's log goes on in a new epoch, because its store went back in time. */
  log_epoch_opened: { readonly epoch: number }
  /** A provider was asked for cells: it offered one that verifies, or it did not answer. */
  provider_asked: {
    readonly providerId: string
    /** Of a cell that it offered, and the milliseconds that it took; absent when it did not answer. */
    readonly offered?: { readonly cellId: string; readonly roundTripMs: number }
  }
  /** This node signed a receipt about a provider. */
  provider_probed: {
    readonly providerId: string
    readonly ok: boolean
    /** Of the stages of a receipt, the last one that was reached, or that failed. */
    readonly stage: string
  }
  /** A contribution to a goal was evaluated, accepted and logged here, and is durable. */
  contribution_added: {
    /** The goal's alias. */
    readonly goalId: string
    readonly contributionId: string
    readonly packHash: string
    readonly contributorId: string
    readonly score: number
    readonly logIndex: number
  }
  /** The leaderboard of a goal changed. */
  leaderboard_update: {
    readonly goalId: string
    /** Lower-case hexadecimal. */
    readonly root: string
    /** The best entry: the active policy. Null where there is none. */
    readonly best: {
      readonly packHash: string
      readonly contributorId: string
      readonly score: number
      readonly logIndex: number
    } | null
  }
  /** A signed question was answered, with whatever came of verifying the answer. */
  verification_complete: {
    readonly operatorId: string
    readonly requestId: string
    readonly responseId: string
    readonly status: 'success' | 'partial' | 'failed'
    /** Null where there is no answer, as is the confidence then. */
    readonly verificationStatus: 'verified' | 'rejected' | 'warning' | null
    readonly confidence: number | null
  }
  /** All questions of a batch were answered, or it was cancelled. */
  batch_complete: {
    readonly operatorId: string
    /** Of the request that submitted it. */
    readonly requestId: string
    readonly batchId: string
    readonly total: number
    readonly succeeded: number
    readonly failed: number
    readonly cancelled: boolean
  }
  /** The answer to a signed question did not comply with constraints. */
  constraint_violation: {
    readonly operatorId: string
    readonly requestId: string
    /** Their ids. */
    readonly constraintsFailed: readonly string[]
  }
  /** A request for a cell was answered, to a client or to a peer. */
  request_answered: {
    readonly door: 'http' | 'p2p'
    readonly outcome: 'success' | 'not_found' | 'pending' | 'error'
    /** Where the answer came from: the own store, or a peer; `none` when there is none. */
    readonly source: 'local' | 'directory' | 'partners' | 'dht' | 'none'
  }
}

export type EventName = keyof EventMap
export type Listener<Name extends EventName> = (event: EventMap[Name]) => unknown

/**
 * The node's one event bus. Listeners are called at once, in the order in which they were added. What a listener throws, or rejects
 * with, is logged and reaches neither the emitter nor the other listeners.
 */
export class Events {
  readonly #log: Pick<Logger, 'error'>
  readonly #listeners: { [Name in EventName]?: readonly Listener<Name>[] } = {}

  constructor(logger: Pick<Logger, 'error'>) {
    this.#log = logger
  }

  /** Adds a listener; the function that is returned removes it. */
  on<Name extends EventName>(name: Name, listener: Listener<Name>): () => void {
    this.#set(name, [...this.#of(name), listener])
    return () => this.off(name, listener)
  }

  /** Removes a listener. A listener that was never added is ignored. */
  off<Name extends EventName>(name: Name, listener: Listener<Name>): void {
    this.#set(
      name,
      this.#of(name).filter((other) => other !== listener),
    )
  }

  emit<Name extends EventName>(name: Name, event: EventMap[Name]): void {
    for (const listener of this.#of(name)) {
      try {
        const result = listener(event)
        if (result instanceof Promise) result.catch((error: unknown) => this.#failed(name, error))
      } catch (error) {
        this.#failed(name, error)
      }
    }
  }

  #of<Name extends EventName>(name: Name): readonly Listener<Name>[] {
    return this.#listeners[name] ?? []
  }

  /** Lists are replaced, never changed, so that adding or removing while an event is emitted does no harm. */
  #set<Name extends EventName>(name: Name, listeners: readonly Listener<Name>[]): void {
    Object.assign(this.#listeners, { [name]: listeners })
  }

  #failed(name: EventName, error: unknown): void {
    this.#log.error({ err: error, event: name }, 'an event listener failed')
  }
}
