import type { StateResponse } from '../../../protocol/rpc.ts'

/** How the node stands to what its federation shares. */
export type ConsensusState = 'ISOLATED' | 'SYNCING' | 'DIVERGED' | 'ACTIVE'

/** Rounds in which most peers have other roots: one finds it out, two have repaired nothing. */
const DIVERGED_ROUNDS = 3
/** Milliseconds in which nobody counts the records that a peer claims to have more, after it could not show any. */
const DISBELIEF_MS = 10 * 60_000

/** A set of this node as it compares with a peer's. */
export interface OwnSet {
  readonly name: string
  readonly count: number
  /** Hexadecimal; undefined for a set without. */
  readonly root: string | undefined
}

/** What is known of one connected peer. */
interface PeerState {
  /** Records that it has more than this node, as its counts say, less those that are known to be of no use here. */
  deficit: number
  /** As many as that were left when it was reconciled with last. */
  explained: number
  /** Unix milliseconds until which its counts say nothing. */
  disbelievedUntil: number
  /** Records that it listed and that are being fetched. */
  fetching: number
  /** Whether a root of a permanent set is another one there. */
  differs: boolean | undefined
}

/**
 * Sync lag and consensus state. The lag is the most records that one connected peer has and this node lacks: those that a reconciliation under
 * way found and has not fetched; else, until one with that peer has ended, what its counts say. What a peer claims and does not show is
 * not believed for a while, so that nobody can make a node look behind.
 */
export class SyncState {
  readonly #now: () => number
  readonly #hasSeeds: boolean
  readonly #peers = new Map<string, PeerState>()
  #hasReconciled = false
  #differingRounds = 0

  constructor(options: { readonly now: () => number; readonly hasSeeds: boolean }) {
    this.#now = options.now
    this.#hasSeeds = options.hasSeeds
  }

  connected(peer: string): void {
    if (this.#peers.has(peer)) return
    this.#peers.set(peer, { deficit: 0, explained: 0, disbelievedUntil: 0, fetching: 0, differs: undefined })
  }

  disconnected(peer: string): void {
    this.#peers.delete(peer)
  }

  /** What a peer says of its sets, beside the own. */
  told(peer: string, theirs: StateResponse['sets'], own: readonly OwnSet[]): void {
    const state = this.#peers.get(peer)
    if (state === undefined) return
    const shared = own.flatMap((mine) => {
      const set = theirs.find(({ name }) => name === mine.name)
      return set === undefined ? [] : [{ mine, set }]
    })
    const claimed = shared.reduce((sum, { mine, set }) => sum + Math.max(0, set.count - mine.count), 0)
    state.deficit = this.#now() < state.disbelievedUntil ? 0 : Math.max(0, claimed - state.explained)
    const roots = shared.filter(({ mine, set }) => mine.root !== undefined && set.root !== undefined)
    state.differs = roots.length === 0 ? undefined : roots.some(({ mine, set }) => mine.root !== set.root)
  }

  /** So many records that a peer listed are still to be fetched. */
  fetching(peer: string, count: number): void {
    const state = this.#peers.get(peer)
    if (state !== undefined) state.fetching = count
  }

  /** Reconciling with a peer has ended; `taken` is how many records came from it. */
  ended(peer: string, outcome: { readonly ok: boolean; readonly taken: number }): void {
    if (outcome.ok) this.#hasReconciled = true
    const state = this.#peers.get(peer)
    if (state === undefined) return
    if (state.deficit > 0 && outcome.taken === 0) state.disbelievedUntil = this.#now() + DISBELIEF_MS
    // What is left was not taken: it has no room here, or is known by something newer.
    state.explained = Math.max(0, state.explained + state.deficit - outcome.taken)
    state.deficit = 0
    state.fetching = 0
  }

  /** A round has asked peers for their roots. */
  round(): void {
    const compared = [...this.#peers.values()].filter(({ differs }) => differs !== undefined)
    const differing = compared.filter(({ differs }) => differs).length
    this.#differingRounds = differing > compared.length / 2 ? this.#differingRounds + 1 : 0
  }

  /** Whether the last round found other roots at most peers. */
  get isDiffering(): boolean {
    return this.#differingRounds > 0
  }

  /** The connected peer that has most of what this node lacks, else one with other roots. */
  get ahead(): string | undefined {
    let most: [peer: string, state: PeerState] | undefined
    for (const entry of this.#peers) {
      const deficit = most?.[1].deficit ?? 0
      if (entry[1].deficit > deficit || (deficit === 0 && most === undefined && entry[1].differs)) most = entry
    }
    return most?.[0]
  }

  get lag(): number {
    let lag = 0
    for (const { deficit, fetching } of this.#peers.values()) lag = Math.max(lag, deficit, fetching)
    return lag
  }

  get consensus(): ConsensusState {
    if (this.#peers.size === 0) return this.#hasSeeds ? 'ISOLATED' : 'ACTIVE'
    if (!this.#hasReconciled) return 'SYNCING'
    return this.#differingRounds >= DIVERGED_ROUNDS ? 'DIVERGED' : 'ACTIVE'
  }
}
