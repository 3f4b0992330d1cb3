import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Type } from 'typebox'
import { Sha256Hex } from '../../../protocol/fields.ts'
import { LeafCount } from '../../../protocol/log.ts'
import { fromHex, toHex } from '../../kernel/base/bytes.ts'
import { checkerOf } from '../../kernel/base/checker.ts'
import { errorMessage, hasCode, StartError } from '../../kernel/base/errors.ts'
import type { Part } from '../../kernel/base/lifecycle.ts'
import { parseStrictJson } from '../../kernel/base/strict-json.ts'
import { logOrigin, signCheckpoint } from '../../kernel/log/checkpoint.ts'
import { LogDamageError } from '../../kernel/log/log-damage.ts'
import { MerkleLog } from '../../kernel/log/merkle-log.ts'
import { writeFileDurably } from '../../kernel/storage/durable-files.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { NodeParts } from '../parts.ts'
import type { LogEpochs } from './log-epochs.ts'

interface Parts extends Pick<NodeParts, 'store' | 'logger' | 'events'> {
  readonly keys: Pick<NodeParts['keys'], 'providerId' | 'log'>
  readonly config: Pick<NodeParts['config'], 'key_dir'>
}

const restored = jsonKeyspace<boolean>(KEYSPACES.meta)
const RESTORED = 'log:restored'

/** Notes in a store that it was made of a backup, for the next start to see. Durable when it resolves. */
export const markRestored = (store: NodeParts['store']): Promise<void> =>
  store.transact((tx) => tx.put(restored, RESTORED, true))

/** How far a log was. */
interface Mark {
  readonly size: number
  readonly root: string
}

const Marks = Type.Object({
  format: Type.Literal(1),
  /** Epoch of the node's logs. */
  epoch: Type.Integer({ minimum: 1 }),
  /** By the name of the log. */
  logs: Type.Record(Type.String(), Type.Object({ size: LeafCount, root: Sha256Hex })),
})
const schema = checkerOf(Marks)

const FILE = 'log-marks.json'
/** Milliseconds between two looks at the sizes of the logs: as old is what a restored backup may be and not be noticed here. */
const LOOK_MS = 2000

/**
 * Throws `StartError` when a log of the store is damaged at its end: then nothing may be appended, and no root signed. Reads O(log n) records of
 * each log.
 */
export async function checkLogs(store: NodeParts['store'], dataDir: string): Promise<void> {
  for (const name of await MerkleLog.names(store)) {
    try {
      new MerkleLog(store, name).check()
    } catch (error) {
      if (!(error instanceof LogDamageError)) throw error
      throw new StartError(`${error.message}. Restore ${join(dataDir, 'store')} from a backup`, { cause: error })
    }
  }
}

/**
 * Remembers beside the node's keys, so outside the data directory and its backups, how far each log was. A store that is behind that at its start
 * was restored from a backup: others may hold checkpoints that it would contradict, so all logs go on in a new epoch.
 */
export class LogMarks implements Part {
  readonly name = 'log marks'
  readonly #parts: Parts
  readonly #epochs: LogEpochs
  readonly #path: string
  readonly #marks = new Map<string, Mark>()
  /** Whether a file said so. */
  #isKnown = false
  #epoch = 1
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined

  constructor(parts: Parts, epochs: LogEpochs) {
    this.#parts = parts
    this.#epochs = epochs
    this.#path = join(parts.config.key_dir, FILE)
  }

  async start(): Promise<void> {
    await this.#load()
    await this.#compare()
    await this.#afterRestore()
    await this.#look()
    this.#timer = setInterval(() => {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined
      })
    }, LOOK_MS)
  }

  async stop(): Promise<void> {
    // What could not be read must not be written over.
    if (this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#timer = undefined
    await this.#looking
    await this.#look()
  }

  async #load(): Promise<void> {
    let bytes: Uint8Array
    try {
      bytes = await readFile(this.#path)
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return
      throw new StartError(`${this.#path} cannot be read: ${errorMessage(error)}`)
    }
    let file: unknown
    try {
      file = parseStrictJson(bytes)
    } catch (error) {
      throw corrupt(this.#path, errorMessage(error))
    }
    if (!schema.Check(file)) throw corrupt(this.#path, 'it has another form')
    this.#isKnown = true
    this.#epoch = file.epoch
    for (const [name, mark] of Object.entries(file.logs)) this.#marks.set(name, mark)
  }

  /**
   * A store that was made of a backup, beside keys that do not remember how far the logs were: what was signed since the backup cannot be known, so
   * the logs go on in a new epoch.
   */
  async #afterRestore(): Promise<void> {
    const { keys, store, logger, events } = this.#parts
    if (store.get(restored, RESTORED) !== true) return
    if (!this.#isKnown) {
      const { newest } = this.#epochs
      const log = new MerkleLog(store, '')
      const origin = logOrigin(keys.providerId, undefined, newest)
      const { certificate, key } = keys.log
      const checkpoint = signCheckpoint({ origin, size: log.size, root: log.root() }, key)
      const { epoch } = await this.#epochs.open(newest, { certificate, checkpoint })
      logger.warn({ epoch }, 'this store was restored from a backup: its logs go on in a new epoch')
      events.emit('log_epoch_opened', { epoch })
    }
    await store.transact((tx) => tx.delete(restored, RESTORED))
  }

  /** Opens an epoch when a log is not what it was. */
  async #compare(): Promise<void> {
    const { keys, store, logger, events } = this.#parts
    const { newest } = this.#epochs
    // What was said in an earlier epoch is superseded already.
    if (this.#epoch < newest) return
    const behind = [...this.#marks].filter(([name, mark]) => !extendsMark(new MerkleLog(store, name), mark))
    if (behind.length === 0 && this.#epoch === newest) return
    const { certificate, key } = keys.log
    const own = this.#marks.get('') ?? { size: 0, root: toHex(new MerkleLog(store, '').root(0)) }
    const checkpoint = signCheckpoint(
      { origin: logOrigin(keys.providerId, undefined, this.#epoch), size: own.size, root: fromHex(own.root) },
      key,
    )
    const { epoch } = await this.#epochs.open(this.#epoch, { certificate, checkpoint })
    logger.warn(
      { epoch, logs: behind.map(([name, { size }]) => ({ name, had: size, has: new MerkleLog(store, name).size })) },
      'logs are behind what they were, as after restoring a backup: they go on in a new epoch',
    )
    events.emit('log_epoch_opened', { epoch })
  }

  /** Writes the marks where a log has grown. Never throws: what is not written now is written later. */
  async #look(): Promise<void> {
    const { store, logger } = this.#parts
    try {
      const epoch = this.#epochs.newest
      let isNew = epoch !== this.#epoch
      for (const name of await MerkleLog.names(store)) {
        const log = new MerkleLog(store, name)
        const { size } = log
        if (this.#marks.get(name)?.size === size && !isNew) continue
        this.#marks.set(name, { size, root: toHex(log.root(size)) })
        isNew = true
      }
      if (!isNew) return
      this.#epoch = epoch
      const file = { format: 1, epoch, logs: Object.fromEntries(this.#marks) }
      await writeFileDurably(this.#path, `${JSON.stringify(file)}\n`, 0o600)
    } catch (error) {
      logger.error({ err: error }, 'how far the logs are could not be written beside the keys')
    }
  }
}

/** Whether a log is at least as long as it was, with the same beginning. */
function extendsMark(log: MerkleLog, { size, root }: Mark): boolean {
  return size <= log.size && toHex(log.root(size)) === root
}

const corrupt = (path: string, reason: string): StartError =>
  new StartError(
    `${path} is damaged: ${reason}. Restore it from a backup, or remove it if the store was never restored`,
  )
