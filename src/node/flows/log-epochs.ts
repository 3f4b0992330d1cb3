import { CONTEXTS } from '../../../protocol/contexts.ts'
import type { EpochRecord } from '../../../protocol/transparency.ts'
import { toHex, utf8 } from '../../kernel/base/bytes.ts'
import { signObject } from '../../kernel/identity/keys.ts'
import type { CertifiedNote } from '../../kernel/log/certified-checkpoint.ts'
import { logOrigin } from '../../kernel/log/checkpoint.ts'
import { logRecordText } from '../../kernel/log/log-record.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { StoreSnapshot } from '../../kernel/storage/store.ts'
import type { NodeParts } from '../parts.ts'

interface Parts extends Pick<NodeParts, 'clock' | 'store' | 'log'> {
  readonly keys: Pick<NodeParts['keys'], 'providerId' | 'identity'>
  readonly config: Pick<NodeParts['config'], 'network'>
}

const epochs = jsonKeyspace<EpochRecord>(KEYSPACES.checkpoints)
const numbers = jsonKeyspace<number>(KEYSPACES.checkpoints)
const NEWEST = 'o!newest'
const keyOf = (epoch: number): string => `o!${String(epoch).padStart(7, '0')}`

/**
 * The epochs of the node's own log. A store that was restored from a backup lacks leaves that were signed; whoever holds a checkpoint of
 * them would see a second history. So the log goes on in a new epoch, under another origin, and says so.
 */
export class LogEpochs {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Read from the store each time: it changes in the transaction that appends the epoch's first leaf. */
  get newest(): number {
    return this.#parts.store.get(numbers, NEWEST) ?? 1
  }

  /** Origin line of the epoch that a snapshot of the store is in. */
  originIn(snapshot: Pick<StoreSnapshot, 'get'>): string {
    return logOrigin(this.#parts.keys.providerId, undefined, snapshot.get(numbers, NEWEST) ?? 1)
  }

  /** Origin line of the present epoch. */
  get origin(): string {
    return logOrigin(this.#parts.keys.providerId, undefined, this.newest)
  }

  /** The statements that opened epochs, oldest first; the epochs before a restored backup's own are not among them. */
  list(): EpochRecord[] {
    const { store } = this.#parts
    const list: EpochRecord[] = []
    for (let epoch = 2; epoch <= this.newest; epoch++) {
      const record = store.get(epochs, keyOf(epoch))
      if (record !== undefined) list.push(record)
    }
    return list
  }

  /** The statement of the present epoch; undefined in the first. */
  get statement(): EpochRecord | undefined {
    return this.#parts.store.get(epochs, keyOf(this.newest))
  }

  /**
   * Opens the epoch after `epoch`, whose newest known checkpoint is `superseded`: the statement becomes the next leaf. Durable when it
   * resolves, with what was appended before it.
   */
  open(epoch: number, superseded: CertifiedNote): Promise<EpochRecord> {
    const { clock, config, keys, log, store } = this.#parts
    return store.transact((tx) => {
      const { size, root } = log.stateIn(tx)
      const unsigned = {
        type: 'epoch' as const,
        provider_id: keys.providerId,
        epoch: epoch + 1,
        at: new Date(clock.now()).toISOString(),
        size,
        root: toHex(root),
        superseded: { certificate: superseded.certificate, checkpoint: superseded.checkpoint },
      }
      const signature = signObject(keys.identity, config.network.name, CONTEXTS.logEpoch, unsigned)
      const record: EpochRecord = { ...unsigned, signature }
      log.append(tx, utf8(logRecordText(record)))
      tx.put(epochs, keyOf(record.epoch), record)
      tx.put(numbers, NEWEST, record.epoch)
      return record
    })
  }
}
