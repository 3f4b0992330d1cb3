import { createHash } from 'node:crypto'
import type { LogEnd, SnapshotEnd, SnapshotHead } from '../../../protocol/upkeep.ts'
import { toHex, utf8 } from '../../kernel/base/bytes.ts'
import { softwareVersion } from '../../kernel/config/package-files.ts'
import { signCheckpoint } from '../../kernel/log/checkpoint.ts'
import { schemaVersion } from '../../kernel/storage/migrations.ts'
import type { StoreSnapshot } from '../../kernel/storage/store.ts'
import type { LogEpochs } from '../flows/log-epochs.ts'
import type { NodeParts } from '../parts.ts'

/** Characters that lines are put together to before they are handed on: a line alone is too little for a connection. */
const PIECE_CHARACTERS = 64 * 1024

type Parts = Pick<NodeParts, 'clock' | 'store' | 'log'> & {
  readonly keys: Pick<NodeParts['keys'], 'providerId' | 'log'>
  readonly config: Pick<NodeParts['config'], 'network'>
}

/** The signed end of the own log, as a snapshot of the store sees it. */
export function logEnd(
  { keys, log }: Parts,
  epochs: Pick<LogEpochs, 'originIn'>,
  snapshot: Pick<StoreSnapshot, 'get'>,
): LogEnd {
  const size = log.sizeIn(snapshot)
  // Of a log that only grows, the root of an earlier size stays what it was.
  const root = log.root(size)
  const checkpoint = signCheckpoint({ origin: epochs.originIn(snapshot), size, root }, keys.log.key)
  return { size, root: toHex(root), certificate: keys.log.certificate, checkpoint }
}

/**
 * Everything that the store holds at this moment, as lines of JSON: a `SnapshotHead`, the records, and a `SnapshotEnd` with the digest of the
 * lines before. Writes go on meanwhile, and are not in it.
 */
export async function* snapshotLines(
  parts: Parts,
  epochs: Pick<LogEpochs, 'originIn'>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { clock, config, keys, store } = parts
  const snapshot = store.snapshot()
  try {
    const head: SnapshotHead = {
      format: 1,
      network: config.network.name,
      provider_id: keys.providerId,
      schema_version: schemaVersion(snapshot),
      software_version: softwareVersion(),
      at: new Date(clock.now()).toISOString(),
      log: logEnd(parts, epochs, snapshot),
    }
    const hash = createHash('sha256')
    let entries = 0
    let text = `${JSON.stringify(head)}\n`
    const piece = (): Uint8Array => {
      const bytes = utf8(text)
      hash.update(bytes)
      text = ''
      return bytes
    }
    for await (const entry of snapshot.entries()) {
      signal.throwIfAborted()
      entries++
      text += `${JSON.stringify(entry)}\n`
      if (text.length >= PIECE_CHARACTERS) yield piece()
    }
    if (text !== '') yield piece()
    yield utf8(`${JSON.stringify({ entries, sha256: hash.digest('hex') } satisfies SnapshotEnd)}\n`)
  } finally {
    await snapshot.close()
  }
}
