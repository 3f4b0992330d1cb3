import type { RegistrationProof } from '../../protocol/cells.ts'
import { ConsistencyProof } from '../../protocol/log.ts'
import { EpochList, type EpochRecord } from '../../protocol/transparency.ts'
import { fromHex, toHex } from '../kernel/base/bytes.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { pureVerifier } from '../kernel/identity/verify-pure.ts'
import { type NodeCheckpoint, openCertifiedNote } from '../kernel/log/certified-checkpoint.ts'
import { parseLogOrigin } from '../kernel/log/checkpoint.ts'
import { verifyEpoch } from '../kernel/log/epoch.ts'
import { NOTE_KEY_TYPES, type NoteKey, parseNote, parseNoteKey, signersOf } from '../kernel/log/note.ts'
import { verifyConsistency } from '../kernel/log/verify.ts'
import { ClientError, InconsistentLogError, IntegrityError, UnreachableError } from './errors.ts'
import { call, checked, type Transport, withQuery } from './transport.ts'

/** A checkpoint of a provider's log, as a client has seen it. Keep what is given, and give it back. */
export interface SeenCheckpoint {
  readonly origin: string
  readonly size: number
  /** Hexadecimal. */
  readonly root: string
  /** The signed note. */
  readonly checkpoint: string
}

/** Where a client remembers the newest checkpoint of each provider. */
export interface CheckpointStore {
  /** The newest one; undefined where none was seen. */
  get(providerId: string): SeenCheckpoint | undefined | Promise<SeenCheckpoint | undefined>
  /** Replaces it. */
  set(providerId: string, seen: SeenCheckpoint): void | Promise<void>
}

/** Whose cosignatures make a checkpoint *witnessed*. */
export interface WitnessPolicy {
  /** Keys of witnesses as C2SP `signed-note` writes them, type 4. */
  readonly keys: readonly string[]
  /** How many of them must have signed. */
  readonly threshold: number
}

/** Providers that are remembered in memory; past that, the one that was first seen longest ago is forgotten. */
const MAX_REMEMBERED = 10_000

const proofSchema = checkerOf(ConsistencyProof)
const epochsSchema = checkerOf(EpochList)

/** What the checks of logs need. */
export interface LogTrust {
  readonly transport: Transport
  readonly network: string
  readonly witnesses: WitnessPolicy | undefined
  readonly store: CheckpointStore | undefined
}

/**
 * Holds providers to what their logs said before: a checkpoint that is new must extend the one that was seen last, and be cosigned by
 * enough of the caller's witnesses.
 */
export class RememberedLogs {
  readonly #trust: LogTrust
  readonly #store: CheckpointStore
  readonly #witnesses: readonly NoteKey[]
  /** Checks under way, one after the other for each provider. */
  readonly #turns = new Map<string, Promise<void>>()

  /** Throws `ClientError` `INVALID_ARGUMENT` for witnesses that cannot be. */
  constructor(trust: LogTrust) {
    this.#trust = trust
    this.#store = trust.store ?? inMemory()
    this.#witnesses = witnessKeys(trust.witnesses)
  }

  /** Checks the checkpoint of a proof that was verified otherwise. Throws `IntegrityError`, and `UnreachableError` where nobody can prove it. */
  async check(node: string, { provider_id: provider, certificate, evidence }: RegistrationProof): Promise<void> {
    const note = { certificate, checkpoint: evidence.checkpoint }
    let opened: NodeCheckpoint
    try {
      opened = openCertifiedNote(pureVerifier, this.#trust.network, provider, note, Date.now())
      this.#checkWitnesses(node, evidence.checkpoint)
    } catch (error) {
      if (error instanceof ClientError) throw error
      throw new IntegrityError(`${node} sent a checkpoint that does not hold: ${errorMessage(error)}`, {
        node,
        cause: error,
      })
    }
    const { origin, size } = opened
    const found = { origin, size, root: toHex(opened.root), checkpoint: evidence.checkpoint }
    const before = this.#turns.get(provider) ?? Promise.resolve()
    const turn = before.then(() => this.#compare(provider, opened, found))
    const settled = turn.catch(() => undefined)
    this.#turns.set(provider, settled)
    try {
      await turn
    } finally {
      if (this.#turns.get(provider) === settled) this.#turns.delete(provider)
    }
  }

  #checkWitnesses(node: string, checkpoint: string): void {
    const { witnesses } = this.#trust
    if (witnesses === undefined) return
    const signed = signersOf(pureVerifier, parseNote(checkpoint), this.#witnesses).length
    if (signed >= witnesses.threshold) return
    const message = `${node} sent a checkpoint that ${signed} of the accepted witnesses have signed, ${witnesses.threshold} are needed`
    throw new IntegrityError(message, { code: 'NOT_WITNESSED', node })
  }

  async #compare(provider: string, { epoch }: NodeCheckpoint, found: SeenCheckpoint): Promise<void> {
    const seen = await this.#store.get(provider)
    if (seen === undefined) {
      await this.#store.set(provider, found)
      return
    }
    const seenEpoch = parseLogOrigin(seen.origin)?.epoch ?? 1
    if (seenEpoch > epoch)
      throw new InconsistentLogError(`the log of ${provider} went back to ${found.origin}`, { seen, found })
    const start = seenEpoch === epoch ? seen : await this.#startOf(provider, epoch, { seen, found })
    const [older, newer] = start.size <= found.size ? [start, found] : [found, start]
    if (older.size === newer.size) {
      if (older.root !== newer.root) {
        const message = `the log of ${provider} has signed two histories of ${found.size} leaves`
        throw new InconsistentLogError(message, { seen, found })
      }
    } else {
      await this.#prove(provider, epoch, older, newer, { seen, found })
    }
    if (seenEpoch < epoch || found.size > seen.size) await this.#store.set(provider, found)
  }

  /** The tree with which an epoch begins, as the provider's statement says. */
  async #startOf(
    provider: string,
    epoch: number,
    both: { seen: SeenCheckpoint; found: SeenCheckpoint },
  ): Promise<{ size: number; root: string }> {
    const path = withQuery('/api/v1/log/epochs', { provider_id: provider })
    const statement = await this.#askEach<EpochRecord>(path, (answer) => {
      const record = checked(epochsSchema, answer).epochs.find((one) => one.epoch === epoch)
      if (record === undefined || record.provider_id !== provider) throw new Error(`it does not know epoch ${epoch}`)
      verifyEpoch(pureVerifier, this.#trust.network, record)
      return record
    })
    if (statement !== undefined) return statement
    throw new InconsistentLogError(`the log of ${provider} goes on as ${both.found.origin} without saying so`, both)
  }

  async #prove(
    provider: string,
    epoch: number,
    older: { size: number; root: string },
    newer: { size: number; root: string },
    both: { seen: SeenCheckpoint; found: SeenCheckpoint },
  ): Promise<void> {
    const query = { from: older.size, to: newer.size, provider_id: provider, ...(epoch === 1 ? {} : { epoch }) }
    const proven = await this.#askEach<true>(withQuery('/api/v1/log/consistency', query), (answer) => {
      const { hashes } = checked(proofSchema, answer)
      const roots = { fromRoot: fromHex(older.root), toRoot: fromHex(newer.root) }
      if (verifyConsistency({ from: older.size, to: newer.size, ...roots }, hashes.map(fromHex))) return true
      throw new Error('its proof does not hold')
    })
    if (proven) return
    const message = `nobody proves that the log of ${provider} grew from ${older.size} leaves to ${newer.size}`
    throw new InconsistentLogError(message, both)
  }

  /** What the first node says that `read` accepts; undefined where none does. Throws `UnreachableError` where none answers. */
  async #askEach<T>(path: string, read: (answer: Awaited<ReturnType<typeof call>>) => T): Promise<T | undefined> {
    const { transport } = this.#trust
    let silence: UnreachableError | undefined
    let answered = false
    for (const node of transport.nodes) {
      try {
        return read(await call(transport, node, { path }))
      } catch (error) {
        if (error instanceof UnreachableError) silence = error
        else answered = true
      }
    }
    if (!answered && silence !== undefined) throw silence
    return undefined
  }
}

function witnessKeys(policy: WitnessPolicy | undefined): NoteKey[] {
  if (policy === undefined) return []
  let keys: NoteKey[]
  try {
    keys = policy.keys.map(parseNoteKey)
  } catch (error) {
    throw new ClientError(
      'INVALID_ARGUMENT',
      `a witness is a key of the form <name>+<id>+<base64>: ${errorMessage(error)}`,
    )
  }
  const wrong = keys.find(({ type }) => type !== NOTE_KEY_TYPES.cosignature)
  if (wrong !== undefined)
    throw new ClientError('INVALID_ARGUMENT', `${wrong.name} is no witness: its key has type ${wrong.type}`)
  const distinct = new Set(keys.map(({ publicKey }) => toHex(publicKey))).size
  const { threshold } = policy
  if (Number.isInteger(threshold) && threshold >= 1 && threshold <= distinct && distinct === keys.length) return keys
  const message = `${threshold} of ${keys.length} witnesses, ${distinct} of them different: allowed is 1 to all, each once`
  throw new ClientError('INVALID_ARGUMENT', message)
}

function inMemory(): CheckpointStore {
  const seen = new Map<string, SeenCheckpoint>()
  return {
    get: (provider) => seen.get(provider),
    set: (provider, checkpoint) => {
      seen.set(provider, checkpoint)
      if (seen.size > MAX_REMEMBERED) seen.delete(seen.keys().next().value!)
    },
  }
}
