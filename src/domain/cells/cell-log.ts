import type { LoggedAct } from '../../../protocol/log.ts'
import { utf8 } from '../../kernel/base/bytes.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import { parseStrictJson } from '../../kernel/base/strict-json.ts'
import type { MerkleLog } from '../../kernel/log/merkle-log.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'
import { type CellRecord, cellTexts, counters, decodeCell, types } from './records.ts'

/** Cell id → index of the leaf that says that it was registered. */
const loggedCells = jsonKeyspace<number>(KEYSPACES.loggedCells)
const BACKFILLED = 'log:backfilled'
/** Cells that are logged in one transaction when they are older than the log. */
const BACKFILL_BATCH = 500

/** What was done to the cells of this repository, leaf by leaf in the node's log. */
export class CellLog {
  readonly #log: Pick<MerkleLog, 'append'>

  constructor(log: Pick<MerkleLog, 'append'>) {
    this.#log = log
  }

  /** Logs an act in the transaction that does it. */
  add(
    tx: Transaction,
    act: LoggedAct['act'],
    cell: Pick<CellRecord, 'id' | 'manifest'>,
    at: string,
    why: Pick<LoggedAct, 'reason' | 'by'> = {},
  ): void {
    const { manifest } = cell
    const leaf: LoggedAct = {
      act,
      cell_id: cell.id,
      cell_type: manifest.cell_type,
      version: manifest.version,
      publisher: manifest.publisher,
      digest: manifest.package.digest,
      at,
      ...why,
    }
    const index = this.#log.append(tx, utf8(canonicalJson(leaf)))
    if (act === 'register') tx.put(loggedCells, cell.id, index)
    if (act === 'delete') tx.delete(loggedCells, cell.id)
  }

  /** Index of the leaf that says that a cell was registered; undefined for one that was not registered here. */
  indexOf(store: Store, id: string): number | undefined {
    return store.get(loggedCells, id)
  }

  /** Logs the cells that were registered before there was a log. Once; a crash in its middle lets it go on where it was. */
  async backfill(store: Store): Promise<void> {
    if (store.get(counters, BACKFILLED) === 1) return
    let batch: CellRecord[] = []
    const flush = async (): Promise<void> => {
      const cells = batch
      batch = []
      await store.transact((tx) => {
        for (const cell of cells)
          if (tx.get(loggedCells, cell.id) === undefined) this.add(tx, 'register', cell, cell.created_at)
      })
    }
    for await (const [, type] of store.scan(types)) {
      for (const { id } of type.versions) {
        const text = store.get(cellTexts, id)
        if (text !== undefined) batch.push(decodeCell(id, text))
      }
      if (batch.length >= BACKFILL_BATCH) await flush()
    }
    await flush()
    await store.transact((tx) => tx.put(counters, BACKFILLED, 1))
  }
}

/** Registered cells with whether the log has the leaf that says so. */
export async function* loggedRegistrations(
  store: Store,
  log: Pick<MerkleLog, 'leaf'>,
): AsyncGenerator<{ readonly id: string; readonly holds: boolean }> {
  for await (const [id, index] of store.scan(loggedCells)) {
    const leaf = log.leaf(index)
    yield { id, holds: leaf !== undefined && isRegistration(leaf, id) }
  }
}

function isRegistration(leaf: Uint8Array, id: string): boolean {
  try {
    const act = parseStrictJson(leaf) as Partial<LoggedAct>
    return act.act === 'register' && act.cell_id === id
  } catch {
    return false
  }
}
