import type { Announcement } from '../../../protocol/announcement.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { BudgetMap } from '../../kernel/base/budget-map.ts'
import { errorMessage, ProviderError } from '../../kernel/base/errors.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import { signReceipt, verifyReceipt } from '../../kernel/identity/receipt-signature.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import { addressGroup } from '../../network/address-group.ts'
import { isCounted } from '../counted-peers.ts'
import type { NodeParts } from '../parts.ts'
import { meetPeers } from './meet-peers.ts'
import { type Finding, probe } from './probe.ts'

type Parts = Pick<
  NodeParts,
  | 'config'
  | 'clock'
  | 'logger'
  | 'events'
  | 'keys'
  | 'directory'
  | 'partners'
  | 'trust'
  | 'yanks'
  | 'offerVerifier'
  | 'receipts'
  | 'network'
>

const MINUTE_MS = 60_000
/** Milliseconds for one probe. */
const PROBE_MS = 10_000
/** Milliseconds in which a provider that was reached is not probed again, and what is asked of it is not signed again. */
const FRESH_MS = LIMITS.receiptLifetimeMs / 3
/** Milliseconds until a provider that was not reached is probed again; each further failure doubles them, up to the second number. */
const BACKOFF_MS = MINUTE_MS
const MAX_BACKOFF_MS = LIMITS.receiptLifetimeMs - MINUTE_MS
/** Providers that are remembered as not reached. */
const MAX_UNREACHED = 4096
/** Providers that are to be probed before those that are drawn. */
const MAX_SUSPECTS = 64
/** Providers that are looked at for the one that is probed next. */
const DRAWN_FROM = 8
/** Milliseconds between two questions to a partner for its receipts, and as many more at random, up to half. */
const EXCHANGE_MS = MINUTE_MS
/** Milliseconds for the answer. */
const ANSWER_MS = 10_000
/** Nodes that are asked for their receipts at a time. */
const ASKED_AT_ONCE = 16

/**
 * Finds out which providers can be reached: probes a few, drawn at random, signs what it found, and asks partners and witnesses for what they
 * found. Whatever this node asks of providers anyway counts as well, and spares a probe.
 */
export class Liveness implements Part {
  readonly name = 'liveness'
  readonly #parts: Parts
  /** Provider → failures in a row, and Unix milliseconds before which it is not probed. */
  readonly #unreached = new BudgetMap<string, { readonly tries: number; readonly until: number }>(MAX_UNREACHED)
  readonly #suspects = new Set<string>()
  readonly #stop = new AbortController()
  readonly #running = new Set<Promise<void>>()
  readonly #unsubscribes: (() => void)[] = []
  #probeTimer: NodeJS.Timeout | undefined
  #exchangeTimer: NodeJS.Timeout | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  start(): void {
    const { events, receipts, clock } = this.#parts
    this.#unsubscribes.push(
      events.on('provider_asked', ({ providerId, offered }) => {
        if (offered === undefined) this.#suspect(providerId)
        else this.#answered(providerId, offered)
      }),
      events.on('cell_cached', ({ from }) => this.#fetched(from)),
      meetPeers(this.#parts, ({ providerId }) => this.#met(providerId)),
      events.on('peer_disconnected', ({ providerId }) => receipts.seen(providerId, clock.now())),
    )
    this.#probeLater()
    this.#exchangeLater()
  }

  #met(provider: string): void {
    this.#parts.receipts.seen(provider, this.#parts.clock.now())
    this.#cameBack(provider)
    if (isCounted(this.#parts, provider)) this.#run(this.#ask(provider))
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribes) unsubscribe()
    clearTimeout(this.#probeTimer)
    clearTimeout(this.#exchangeTimer)
    this.#stop.abort(new Error('the node is stopping'))
    await Promise.all(this.#running)
  }

  /** A verified announcement was taken in: who announces is there. */
  heard({ provider_id: provider, cells }: Pick<Announcement, 'provider_id' | 'cells'>): void {
    if (cells.length > 0) this.#cameBack(provider)
  }

  #run(work: Promise<void>): void {
    const run = work
      .catch((error: unknown) => {
        if (!this.#stop.signal.aborted) this.#parts.logger.error({ err: error }, 'liveness could not be found out')
      })
      .finally(() => this.#running.delete(run))
    this.#running.add(run)
  }

  #probeLater(): void {
    const { probes_per_minute: perMinute } = this.#parts.config.receipts
    if (perMinute === 0 || this.#stop.signal.aborted) return
    const wait = (MINUTE_MS / perMinute) * (0.5 + Math.random())
    this.#probeTimer = setTimeout(() => {
      this.#run(this.#probeNext().finally(() => this.#probeLater()))
    }, wait)
    this.#probeTimer.unref()
  }

  async #probeNext(): Promise<void> {
    const provider = this.#next()
    if (provider === undefined) return
    const { network } = this.#parts
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(PROBE_MS)])
    const finding = await probe(this.#parts, provider, { signal, stopped: this.#stop.signal })
    if (finding === undefined) return
    if (finding.ok) {
      this.#unreached.delete(provider)
      return this.#sign(provider, finding)
    }
    // Who reaches nobody at all is itself what cannot be reached: nothing is held against the provider, and it is tried again.
    if (!network.connectedPeers().some(({ providerId }) => providerId !== provider)) return
    this.#failed(provider)
    this.#sign(provider, finding)
  }

  /** A suspect, else one of a few drawn at random of which this node knows least. */
  #next(): string | undefined {
    const { directory, partners, receipts, clock } = this.#parts
    const now = clock.now()
    const mayProbe = (provider: string): boolean =>
      (this.#unreached.get(provider)?.until ?? 0) <= now && !partners.isUntrusted(provider)
    for (const provider of this.#suspects) {
      this.#suspects.delete(provider)
      if (directory.cellsOf(provider) > 0 && mayProbe(provider)) return provider
    }
    const drawn: string[] = []
    let seen = 0
    for (const [provider] of directory.providers()) {
      const place = drawn.length < DRAWN_FROM ? drawn.length : Math.floor(Math.random() * (seen + 1))
      seen++
      if (place < DRAWN_FROM) drawn[place] = provider
    }
    const ages = drawn
      .map((provider) => ({ provider, at: receipts.ownWord(provider)?.at ?? 0 }))
      .filter(({ provider, at }) => mayProbe(provider) && at <= now - FRESH_MS)
      .sort((a, b) => a.at - b.at)
    return ages[0]?.provider
  }

  #suspect(provider: string): void {
    if (this.#suspects.size < MAX_SUSPECTS) this.#suspects.add(provider)
  }

  /** A provider that was not reached is worth another probe, soon. */
  #cameBack(provider: string): void {
    if (this.#unreached.get(provider) === undefined && this.#parts.receipts.reachable(provider) !== false) return
    this.#unreached.delete(provider)
    this.#suspect(provider)
  }

  #failed(provider: string): void {
    const tries = (this.#unreached.get(provider)?.tries ?? 0) + 1
    const until = this.#parts.clock.now() + Math.min(BACKOFF_MS * 2 ** (tries - 1), MAX_BACKOFF_MS)
    this.#unreached.set(provider, { tries, until })
  }

  #answered(provider: string, { cellId, roundTripMs }: { cellId: string; roundTripMs: number }): void {
    const { receipts, clock } = this.#parts
    const own = receipts.ownWord(provider)
    // Under load one and the same provider answers thousands of times: one receipt says it.
    if (own?.ok === true && own.at > clock.now() - FRESH_MS) return
    this.#unreached.delete(provider)
    this.#sign(provider, { ok: true, stage: 'answer', round_trip_ms: roundTripMs, manifest_digest: cellId })
  }

  #fetched(provider: string): void {
    const { receipts, clock } = this.#parts
    this.#unreached.delete(provider)
    const own = receipts.ownWord(provider)
    if (own?.ok !== true) receipts.observed(provider, { ok: true, at: clock.now() })
  }

  #sign(provider: string, finding: Finding): void {
    const { receipts, keys, config, clock, events } = this.#parts
    const at = clock.now()
    const receipt = { provider, prober: keys.providerId, ...finding, at }
    receipts.observed(provider, { ok: finding.ok, at, token: signReceipt(keys.wire, config.network.name, receipt) })
    events.emit('provider_probed', { providerId: provider, ok: finding.ok, stage: finding.stage })
  }

  #exchangeLater(): void {
    this.#exchangeTimer = setTimeout(
      () => {
        this.#parts.receipts.sweep()
        const counted = this.#parts.network
          .connectedPeers()
          .filter(({ providerId }) => isCounted(this.#parts, providerId))
        for (const { providerId } of counted) this.#run(this.#ask(providerId))
        this.#exchangeLater()
      },
      EXCHANGE_MS * (1 + Math.random() / 2),
    )
    this.#exchangeTimer.unref()
  }

  /** Asks a partner or witness for what it found. Never throws. */
  async #ask(peer: string): Promise<void> {
    if (this.#running.size >= ASKED_AT_ONCE) return
    const { network, receipts, config, clock, logger } = this.#parts
    try {
      const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ANSWER_MS)])
      const answer = await network.request(peer, 'receipts_request', { since: receipts.newestOf(peer) }, { signal })
      const connected = network.connectedPeers().find(({ providerId }) => providerId === peer)
      const group = groupOf(connected?.addresses[0] ?? '')
      for (const token of answer.receipts) {
        const receipt = verifyReceipt(nativeVerifier, config.network.name, token, clock.now())
        if (receipt.prober !== peer) throw new ProviderError('PROV_005', `a receipt is by ${receipt.prober}`)
        receipts.take(receipt, token, group)
      }
    } catch (error) {
      if (this.#stop.signal.aborted) return
      logger.debug({ peer, reason: errorMessage(error) }, 'a peer did not tell what it reached')
      if (error instanceof ProviderError) network.scores.record(peer, 'invalid_message')
    }
  }
}

/** The address group of a multiaddr over IP; all others are one group. */
function groupOf(address: string): string {
  const [, protocol, host = ''] = address.split('/')
  return protocol === 'ip4' || protocol === 'ip6' ? addressGroup(host) : ''
}
