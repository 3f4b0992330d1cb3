import type { ProofKeyRotated, PublicKeys } from '../../../protocol/public-keys.ts'
import type { Administration } from '../../domain/access/administration.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import { proofJwk } from '../../kernel/identity/jwk.ts'
import type { RoleKey } from '../../kernel/identity/key-directory.ts'
import type { NodeParts } from '../parts.ts'

interface Parts extends Pick<NodeParts, 'clock' | 'store' | 'logger'> {
  readonly keys: Pick<NodeParts['keys'], 'proof'>
  readonly config: Pick<NodeParts['config'], 'assurance'>
}

const DAY_MS = 24 * 60 * 60 * 1000
/** Milliseconds before its end at which a proof key is replaced: longer than a look takes to come. */
const MARGIN_MS = 60 * 60 * 1000
/** Milliseconds that a proof's records are older than itself, at most. */
const LEAST_MS = 2000
/** Milliseconds between two looks at how old the key is. */
const LOOK_MS = 10 * 60 * 1000

/**
 * The keys that proofs are signed with: replaced when they are as old as the configuration says, or when the administrator wants. Each replacement
 * is an act in the node's log.
 */
export class ProofKeyring implements Part {
  readonly name = 'proof keys'
  readonly #parts: Parts
  readonly #administration: Administration
  readonly #logging = new Set<Promise<unknown>>()
  #timer: NodeJS.Timeout | undefined

  constructor(parts: Parts, administration: Administration) {
    this.#parts = parts
    this.#administration = administration
  }

  start(): void {
    this.key()
    this.#timer = setInterval(() => this.key(), LOOK_MS)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#logging)
  }

  /** The key that signs now. */
  key(): RoleKey {
    const { clock, keys, config, logger } = this.#parts
    const { current } = keys.proof
    if (current !== undefined && !isDue(current, config.assurance.proof_key_days, clock.now())) return current
    const logged = this.rotate('node').catch((error: unknown) => {
      logger.error({ err: error }, 'a new proof key could not be made, or not be logged')
    })
    this.#logging.add(logged)
    void logged.finally(() => this.#logging.delete(logged))
    // Made at once; only the log takes its time.
    if (keys.proof.current === undefined) throw new Error('this node has no proof key')
    return keys.proof.current
  }

  /** All keys, the one that signs first. */
  list(): PublicKeys {
    const { proof } = this.#parts.keys
    return { keys: [this.key().certificate, ...proof.retired.toReversed()].map(proofJwk) }
  }

  /** Replaces the key at once. Durable when it resolves, and logged; `by` is who does it. */
  async rotate(by: string): Promise<ProofKeyRotated> {
    const { keys, store, config } = this.#parts
    const current = proofJwk(keys.proof.rotate(config.assurance.proof_key_days).certificate)
    const last = keys.proof.retired.at(-1)
    // The first one replaces none.
    if (last === undefined) return { current, retired: null }
    const retired = proofJwk(last)
    const details = { kid: current.kid, retired: retired.kid }
    await store.transact((tx) => this.#administration.add(tx, { act: 'proof_key_rotated', by, details }))
    return { current, retired }
  }
}

/** Whether a key is as old as it may get, or from the future: made by a clock that was wrong. */
function isDue({ certificate }: RoleKey, days: number, now: number): boolean {
  const end = Math.min(certificate.not_after, certificate.not_before + days * DAY_MS)
  return now > end - MARGIN_MS || certificate.not_before > now - LEAST_MS
}
