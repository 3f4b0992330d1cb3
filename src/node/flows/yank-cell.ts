import type { Yank } from '../../../protocol/yank.ts'
import type { CellRecord } from '../../domain/cells/records.ts'
import { nextYank } from '../../domain/cells/yanks.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { decodeYankToken } from '../../kernel/identity/yank-signature.ts'
import type { CellYank, Yanked } from '../api.ts'
import type { NodeParts } from '../parts.ts'
import type { YankLane } from './gossip-yanks.ts'

type Parts = Pick<NodeParts, 'config' | 'clock' | 'keys' | 'index' | 'repository' | 'yanks' | 'events'> & {
  /** Tells everybody a publisher's word. */
  readonly yankLane: Pick<YankLane, 'publish'>
}

/** What was said, and the page of announcements that the cell stands on. */
export type YankedOnPage = Yanked & { readonly page: number }

/**
 * Yanks a cell that this node holds, or undoes that: with the publisher's own word, whoever brings it; as the publisher, where this node is
 * it and its owner or the administrator asks; else as the operator, for this node alone. Durable and logged when it resolves. Throws
 * `PROV_002`, `PROV_015`, `PROV_001` (with status 409 where what was said before forbids it) and `PROV_005`.
 */
export async function yankCell(parts: Parts, order: CellYank): Promise<YankedOnPage> {
  const { keys, repository, yanks, events } = parts
  if (order.token !== undefined) {
    assertAlone(order)
    const { record } = decodeYankToken(order.token)
    return deliver(parts, cellToYank(parts, { ...order, cellId: record.manifest_digest }), record, order.token)
  }
  const what = order.undo ? 'undo' : { reason: reasonOf(order), ...said(order.message) }
  const cell = cellToYank(parts, order)
  const { id, page, manifest } = cell
  const { publisher } = manifest
  const isOwn = publisher === keys.publisher.publisher
  if (!order.isAdmin && !(isOwn && repository.owns(order.credential, manifest.cell_type))) {
    const whose = isOwn ? 'another credential' : `the publisher ${publisher}`
    const message = `${order.cellType}@${order.version} belongs to ${whose}: only its owner can yank it, or the administrator for this node`
    throw new ProviderError('PROV_015', message)
  }
  if (isOwn) {
    const before = yanks.publisherYank({ id, publisher })
    const record: Yank = {
      format: 1,
      manifest_digest: id,
      publisher,
      counter: (before?.counter ?? 0) + 1,
      ...nextYank(before, what),
      at: parts.clock.now(),
    }
    return deliver(parts, cell, record, keys.publisher.signYank(parts.config.network.name, record))
  }
  const { yanked, reason, counter } = await yanks.byOperator(cell, what)
  events.emit('cell_yanked', { cellId: id, yanked, reason, by: 'operator' })
  return { cellId: id, yanked, counter, by: 'operator', page }
}

/** Takes in the publisher's word. The same word twice changes nothing, and is no error. */
async function deliver(
  { yanks, events, yankLane }: Parts,
  cell: CellRecord,
  record: Yank,
  token: string,
): Promise<YankedOnPage> {
  const { yanked, counter, reason } = record
  const named = { id: cell.id, publisher: cell.manifest.publisher }
  const change = await yanks.accept(token)
  if (change !== undefined) {
    events.emit('cell_yanked', { cellId: cell.id, yanked, reason, by: 'publisher' })
    yankLane.publish(token)
  } else if (yanks.token(named) !== token) {
    const known = yanks.publisherYank(named)
    const state =
      known === undefined ? 'nothing' : `${known.yanked ? known.reason : 'no yank'} with counter ${known.counter}`
    throw new ProviderError('PROV_001', `counter ${counter} changes nothing: its publisher has said ${state}`, {
      status: 409,
    })
  }
  return { cellId: cell.id, yanked, counter, by: 'publisher', page: cell.page }
}

/** The cell of that type and version: of this repository, else a copy that is kept here. */
function cellToYank(
  { index }: Pick<Parts, 'index'>,
  { cellType, version, cellId }: Pick<CellYank, 'cellType' | 'version' | 'cellId'>,
): CellRecord {
  const name = `${cellType}@${version}`
  const held = index.candidates('cell_type', cellType).filter((candidate) => candidate.version === version)
  if (held.length === 0) throw new ProviderError('PROV_002', `${name} is not held here`)
  const wanted = held.filter(({ id, registered }) => (cellId === undefined ? registered : id === cellId))
  const found = wanted.length === 0 && cellId === undefined ? held : wanted
  const [first, ...others] = found
  const cell = first && index.get(first.id)
  const choices = held.map(({ id, publisher }) => `${id} of the publisher ${publisher}`).join(', ')
  if (cell === undefined)
    throw new ProviderError('PROV_001', `${name} is not the cell ${cellId}; held here: ${choices}`)
  if (others.length === 0) return cell
  throw new ProviderError('PROV_001', `several cells are ${name}; cell_id must name one of ${choices}`, { status: 409 })
}

function reasonOf({ reason }: CellYank): Yank['reason'] {
  if (reason !== undefined) return reason
  throw new ProviderError('PROV_001', 'reason is missing: compromised, broken, superseded or withdrawn')
}

const said = (message: string | undefined): Pick<Yank, 'message'> => (message === undefined ? {} : { message })

function assertAlone({ reason, message, undo }: CellYank): void {
  if (reason === undefined && message === undefined && !undo) return
  throw new ProviderError(
    'PROV_001',
    'reason, message and undo are in the yank that its publisher signed: send it alone',
  )
}
