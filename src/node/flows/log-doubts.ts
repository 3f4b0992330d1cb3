import type { KnownLog } from './known-log.ts'

/** Since when, and why, a node owes a proof. */
export interface Refusal {
  readonly since: number
  readonly reason: string
}

/** Which logs of which nodes have checkpoints that nobody has shown to fit. A node's own log has the name '', that of a goal the goal's digest. */
export class LogDoubts {
  /** Node → log → the first refusal to prove something, null where none was refused. */
  readonly #logs = new Map<string, Map<string, Refusal | null>>()

  /** Takes in what is known of a log now. */
  note(provider: string, name: string, { open }: Pick<KnownLog, 'open'>): void {
    if (open.length === 0) {
      const logs = this.#logs.get(provider)
      if (logs?.delete(name) && logs.size === 0) this.#logs.delete(provider)
      return
    }
    const refused = open.find((one) => one.refused !== undefined)?.refused ?? null
    const logs = this.#logs.get(provider)
    if (logs === undefined) this.#logs.set(provider, new Map([[name, refused]]))
    else logs.set(name, refused)
  }

  /** Nodes of which something must be proven. */
  providers(): string[] {
    return [...this.#logs.keys()]
  }

  /** The logs of a node of which something must be proven. */
  of(provider: string): string[] {
    return [...(this.#logs.get(provider)?.keys() ?? [])]
  }

  /** What a node refused to prove first; undefined where it owes nothing that it was asked for. */
  refusal(provider: string): Refusal | undefined {
    let first: Refusal | undefined
    for (const refused of this.#logs.get(provider)?.values() ?? []) {
      if (refused !== null && (first === undefined || refused.since < first.since)) first = refused
    }
    return first
  }
}
