import type { RegistrationProof } from '../../protocol/cells.ts'
import type { Manifest } from '../../protocol/manifest.ts'
import type { AskOptions, CapabilityAsk, SpecificAsk } from './ask.ts'
import { closureOf, inTurns } from './closure.ts'
import type { DownloadPart, Progress } from './download.ts'
import { ClientError, IntegrityError } from './errors.ts'
import type { Packages } from './packages.ts'
import type { ProofOf } from './registrations.ts'
import type { Cell } from './verify.ts'

/** How to assemble. */
export interface AssembleOptions extends AskOptions {
  /** Whether everything that the cell depends on, directly or not, comes with it. */
  readonly dependencies?: boolean | undefined
  /** Bytes of all packages together; 512 MiB unless given, since they are in memory at once. More rejects with `TOO_LARGE`. */
  readonly maxBytes?: number | undefined
  /** How far all packages together are. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** A cell that was found and verified, with what proves it. */
export interface FoundCell {
  /** The answer of the node, verified. */
  readonly cell: Cell
  /** What its publisher signed; the signature is `cell.signature`. */
  readonly manifest: Manifest
  /**
   * That a provider has registered it in a log that everybody can watch, verified. Undefined where its provider proves nothing, which security level
   * `maximum` does not take.
   */
  readonly proof: RegistrationProof | undefined
}

/** A cell with its package, verified. */
export interface AssembledCell extends FoundCell {
  readonly bytes: Uint8Array
}

/** A cell, and where that was asked for, everything that it depends on. */
export interface Assembly extends AssembledCell {
  /** Each after what it depends on itself, as far as there is no circle; empty unless asked for. */
  readonly dependencies: readonly AssembledCell[]
}

/** A cell whose package is still to be read. */
export interface StreamedCell extends FoundCell {
  /** The package. It ends with an error when the bytes are not those of the manifest; the last ones come after the digest was verified. */
  readonly stream: ReadableStream<Uint8Array>
}

/** What finding and reading cells takes. */
export interface Assembler {
  request(ask: CapabilityAsk): Promise<Cell>
  requestSpecific(ask: SpecificAsk): Promise<Cell>
  readonly packages: Packages
  readonly proofOf: ProofOf
}

/** Bytes. */
const DEFAULT_BYTES = 512 * 1024 * 1024

/** Finds, verifies and downloads. Errors as `Client.assemble` says. */
export async function assembleWhole(
  assembler: Assembler,
  capability: string,
  { dependencies, maxBytes = DEFAULT_BYTES, onProgress, ...ask }: AssembleOptions,
): Promise<Assembly> {
  const preferences = { ...ask.preferences, ...(dependencies && { resolve_dependencies: true }) }
  const root = await assembler.request({ ...ask, preferences, capability })
  const controller = new AbortController()
  const signal = ask.signal === undefined ? controller.signal : AbortSignal.any([ask.signal, controller.signal])
  try {
    const needed = dependencies ? await closureOf(root, (entry) => lookUp(assembler, { ...ask, signal }, entry)) : []
    const cells = [root, ...needed]
    const total = cells.reduce((sum, { size_bytes }) => sum + size_bytes, 0)
    if (total > maxBytes) throw tooLarge(cells.length, total, maxBytes)
    const watch = sumOf(total, onProgress)
    const [first, ...others] = await inTurns(cells, async (cell) => {
      const [bytes, proof] = await Promise.all([
        assembler.packages.read(cell, { signal, onProgress: watch() }),
        assembler.proofOf(cell, signal),
      ])
      return { cell, manifest: cell.manifest, proof, bytes }
    })
    return { ...first!, dependencies: others }
  } finally {
    // Where one fails, the others are of no use.
    controller.abort()
  }
}

function tooLarge(packages: number, total: number, allowed: number): ClientError {
  const what = packages === 1 ? 'the package has' : `${packages} packages have`
  return new ClientError('TOO_LARGE', `${what} ${total} bytes, allowed are ${allowed}: maxBytes`)
}

/** Finds and verifies; what is read from the stream is verified as it comes. Errors as `Client.assembleStream` says. */
export async function assembleStreamed(
  assembler: Assembler,
  capability: string,
  { onProgress, ...ask }: Omit<AssembleOptions, 'dependencies' | 'maxBytes'>,
): Promise<StreamedCell> {
  const cell = await assembler.request({ ...ask, capability })
  const proof = await assembler.proofOf(cell, ask.signal)
  const stream = streamOf(assembler.packages, cell, { onProgress, signal: ask.signal })
  return { cell, manifest: cell.manifest, proof, stream }
}

/** The cell that an entry of a lock names: the publisher may be one of several who use its type and version. */
async function lookUp(
  { requestSpecific }: Assembler,
  { requestId: _, version: __, preferences, ...ask }: AskOptions,
  entry: NonNullable<Cell['lock']>[number],
): Promise<Cell> {
  const { explain: _explain, publishers: _publishers, ...others } = preferences ?? {}
  const { cell_type: cellType, version, cell_id, publisher } = entry
  const cell = await requestSpecific({ ...ask, cellType, version, preferences: { ...others, publishers: [publisher] } })
  if (cell.cell_id === cell_id) return cell
  const message = `${cell.node} has the cell ${cell.cell_id} as ${cellType} ${version}, the lock names ${cell_id}`
  throw new IntegrityError(message, { node: cell.node })
}

/** Progress of several transfers as that of one. Each call begins one. */
function sumOf(total: number, onProgress: AssembleOptions['onProgress']) {
  let sum = 0
  return () => {
    let before = 0
    return ({ transferred }: Progress): void => {
      sum += transferred - before
      before = transferred
      onProgress?.({ transferred: sum, total })
    }
  }
}

function streamOf(
  packages: Packages,
  cell: Cell,
  { onProgress, signal }: Pick<AssembleOptions, 'onProgress' | 'signal'>,
): ReadableStream<Uint8Array> {
  const cancelled = new AbortController()
  const either = signal === undefined ? cancelled.signal : AbortSignal.any([signal, cancelled.signal])
  const bytes = onlyForward(packages.parts(cell, { onProgress, signal: either }))
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { done, value } = await bytes.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: async (reason) => {
        cancelled.abort(reason)
        await bytes.return()
      },
    },
    // Nothing is asked for before somebody reads.
    { highWaterMark: 0 },
  )
}

/** Bytes that were handed on cannot be taken back: what would begin anew fails instead. */
export async function* onlyForward(parts: AsyncIterable<DownloadPart>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const part of parts) {
    if (part.kind === 'restart') throw part.because
    yield part.bytes
  }
}
