import { pack as createPack, type Pack } from 'tar-stream'
import type { BundleHead, BundleOrder } from '../../../protocol/upkeep.ts'
import { keysText } from '../../domain/cells/publishers.ts'
import { type CellRecord, cellTexts, decodeCell, offeredCell } from '../../domain/cells/records.ts'
import { inRange, parseRange } from '../../domain/cells/resolver.ts'
import { toHex, utf8 } from '../../kernel/base/bytes.ts'
import { errorMessage, ProviderError } from '../../kernel/base/errors.ts'
import type { LogEpochs } from '../flows/log-epochs.ts'
import type { LogProofs } from '../flows/log-proofs.ts'
import { readAhead } from '../flows/package-source.ts'
import type { NodeParts } from '../parts.ts'
import { type BundledCell, cellFile, HEAD_FILE, packageFile, publisherFile, yankFile } from './bundle-files.ts'
import { logEnd } from './snapshot.ts'

export type ExportParts = Pick<
  NodeParts,
  'blobs' | 'cellLog' | 'clock' | 'config' | 'index' | 'keys' | 'log' | 'publishers' | 'store' | 'yanks'
>

interface Needs {
  readonly epochs: Pick<LogEpochs, 'originIn'>
  readonly proofs: Pick<LogProofs, 'registration'>
}

/** What goes into a bundle. */
interface Selection {
  readonly cells: readonly CellRecord[]
  /** Of these, yanks go with it, also where a delta leaves the cell out. */
  readonly yanked: readonly { readonly id: string; readonly publisher: string }[]
  readonly missing: readonly string[]
}

/** Milliseconds since 1970 of every entry: the same cells make the same bytes. */
const MODIFIED = new Date(0)
/** Capabilities that are listed as missing. */
const MAX_MISSING = 10_000

/**
 * A bundle of cells with everything that they depend on, as far as it is here: a tar archive, which another node imports without asking anybody.
 * Throws `PROV_001` for an order that cannot be read, with status 409 for a log that has gone another way since, and `PROV_002` for cells that
 * are not here.
 */
export async function exportBundle(
  parts: ExportParts,
  needs: Needs,
  order: BundleOrder,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  checkSince(parts, order)
  const selection = await select(parts, order, signal)
  const head: BundleHead = {
    format: 1,
    network: parts.config.network.name,
    provider_id: parts.keys.providerId,
    at: new Date(parts.clock.now()).toISOString(),
    log: logEnd(parts, needs.epochs, parts.store),
    since: order.since?.size ?? null,
    cells: selection.cells.length,
    yanks: selection.yanked.length,
    missing: selection.missing.slice(0, MAX_MISSING),
  }
  const pack = createPack()
  // What fails ends the archive before its end, which whoever reads it notices.
  const fail = (error: unknown): void => {
    pack.destroy(error instanceof Error ? error : new Error(errorMessage(error)))
  }
  signal.addEventListener('abort', () => fail(signal.reason), { once: true })
  write(parts, needs, pack, head, selection, signal).catch(fail)
  return pack as unknown as AsyncIterable<Uint8Array>
}

function checkSince({ log }: ExportParts, { since }: BundleOrder): void {
  if (since === undefined) return
  const hasGrown = since.size <= log.size && (since.root === undefined || toHex(log.root(since.size)) === since.root)
  if (hasGrown) return
  const message = `the log of this node does not begin with the ${since.size} leaves of that checkpoint: export without since`
  throw new ProviderError('PROV_001', message, { status: 409 })
}

async function select(
  parts: ExportParts,
  { cells: wanted, since }: BundleOrder,
  signal: AbortSignal,
): Promise<Selection> {
  const { cellLog, index, store, yanks, blobs } = parts
  const chosen = new Map<string, CellRecord>()
  if (wanted === undefined) {
    for await (const [id, text] of store.scan(cellTexts)) {
      signal.throwIfAborted()
      chosen.set(id, decodeCell(id, text))
    }
  } else {
    for (const text of wanted) for (const cell of named(parts, text)) chosen.set(cell.id, cell)
  }
  const missing = new Set<string>()
  // Cells that are added while this goes on are visited, too.
  for (const { manifest } of chosen.values()) {
    for (const { capability, version_constraint: range } of manifest.dependencies) {
      const isThere = [...index.candidates('capability', capability)].find(
        (candidate) =>
          candidate.status === 'active' && inRange(candidate.offered, range) && !yanks.isWithdrawn(candidate),
      )
      const cell = isThere && index.get(isThere.id)
      if (cell === undefined) missing.add(`${capability} ${range}`)
      else if (!chosen.has(cell.id)) chosen.set(cell.id, cell)
    }
  }
  const isNew = ({ id, origin }: CellRecord): boolean =>
    since === undefined || origin !== 'registered' || (cellLog.indexOf(store, id) ?? 0) >= since.size
  const cells: CellRecord[] = []
  for (const cell of chosen.values()) {
    if (!isNew(cell)) continue
    const reader = await blobs.open(hexOf(cell))
    if (reader === undefined) missing.add(`package ${cell.manifest.package.digest}`)
    else {
      await reader.close()
      cells.push(cell)
    }
  }
  const yanked = [...yanks.signed()].filter((one) => wanted === undefined || chosen.has(one.id))
  return { cells, yanked, missing: [...missing] }
}

/** `type`, `type@range`, `capability:name` or `capability:name@range`: all versions that fit. */
function named({ index }: ExportParts, text: string): CellRecord[] {
  const by = text.startsWith('capability:') ? 'capability' : 'cell_type'
  const [name = '', range] = text.replace(/^capability:/, '').split('@')
  if (range !== undefined) parseRange(range)
  const cells = index
    .candidates(by, name)
    .filter(({ offered }) => inRange(offered, range))
    .flatMap(({ id }) => index.get(id) ?? [])
  if (cells.length > 0) return cells
  throw new ProviderError('PROV_002', `${text} is not here: nothing of it can be exported`)
}

const hexOf = ({ manifest }: Pick<CellRecord, 'manifest'>): string => manifest.package.digest.slice('sha256:'.length)

async function write(
  parts: ExportParts,
  { proofs }: Needs,
  pack: Pack,
  head: BundleHead,
  { cells, yanked }: Selection,
  signal: AbortSignal,
): Promise<void> {
  const { publishers, yanks } = parts
  const add = async (name: string, text: string): Promise<void> => {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    pack.entry({ name, mtime: MODIFIED, mode: 0o644 }, utf8(text), (error) =>
      error == null ? resolve() : reject(error),
    )
    await promise
  }
  await add(HEAD_FILE, `${JSON.stringify(head, null, 2)}\n`)
  const signers = new Set([
    ...cells.map(({ manifest }) => manifest.publisher),
    ...yanked.map(({ publisher }) => publisher),
  ])
  for (const publisher of signers) {
    const kept = publishers.kept(publisher)
    if (kept !== undefined && (kept.records.length > 1 || kept.conflict !== undefined))
      await add(publisherFile(publisher), keysText(kept))
  }
  for (const { id, publisher } of yanked) {
    const token = yanks.token({ id, publisher })
    if (token !== undefined) await add(yankFile(id, publisher), token)
  }
  const written = new Set<string>()
  for (const cell of cells) {
    const registration = proofs.registration(cell.id)
    const bundled: BundledCell = { cell: offeredCell(cell), ...(registration === undefined ? {} : { registration }) }
    await add(cellFile(cell.id), JSON.stringify(bundled))
    const hex = hexOf(cell)
    if (written.has(hex)) continue
    written.add(hex)
    await addPackage(parts, pack, hex, cell.manifest.package.size, signal)
  }
  pack.finalize()
}

async function addPackage(
  { blobs }: ExportParts,
  pack: Pack,
  hex: string,
  size: number,
  signal: AbortSignal,
): Promise<void> {
  const reader = await blobs.open(hex)
  if (reader === undefined) throw new Error(`the package sha256:${hex} went away meanwhile`)
  try {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    promise.catch(() => undefined)
    const header = { name: packageFile(hex), size, mtime: MODIFIED, mode: 0o644 }
    const entry = pack.entry(header, (error) => (error == null ? resolve() : reject(error)))
    entry.on('error', reject)
    const pieces = readAhead(
      (...at) => reader.read(...at),
      0,
      size - 1,
      () => undefined,
    )
    for await (const piece of pieces) {
      signal.throwIfAborted()
      // The archive keeps what it is given, and these buffers are used again.
      if (!entry.write(piece.slice())) await Promise.race([drained(entry), promise])
    }
    entry.end(null)
    await promise
  } finally {
    await reader.close()
  }
}

const drained = (entry: { once(name: 'drain', heard: () => void): unknown }): Promise<void> =>
  new Promise((resolve) => entry.once('drain', () => resolve()))
