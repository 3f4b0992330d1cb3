import { ArchiveFault } from './archive-findings.ts'
import { EXTENDED_HEADER_BYTES, NAME_BYTES, PADDING_BYTES } from './archive-limits.ts'

const BLOCK = 512
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** An extended header that is being read. */
interface Extended {
  readonly global: boolean
  readonly body: Buffer
  filled: number
}

/**
 * Watches the frames of a tar archive (POSIX.1-2024, "pax") on their way to the library that reads them, and refuses what readers
 * understand differently: an archive that shows one reader other entries than the next cannot be judged. That is: sizes that are no
 * numbers, content behind entries that have none, names in global headers, several extended headers for one entry, sparse files, entries
 * after the end mark, a missing end mark. It also counts where entries must lie, so that a disagreement with the library is seen.
 */
export class TarFrames {
  readonly #block = Buffer.alloc(BLOCK)
  #filled = 0
  /** Bytes of content and padding until the next header. */
  #skip = 0
  #extended: Extended | undefined
  /** Types of extended headers that wait for their entry. */
  #pending = ''
  /** Size that an extended header gave. */
  #size: number | undefined
  #zeroBlocks = 0
  #padding = 0
  #position = 0
  /** Where the headers of entries start that the library has not named yet. */
  readonly #offsets: number[] = []

  /** Throws `ArchiveFault`. */
  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    for (let at = 0; at < bytes.length; ) {
      const taken = this.#take(bytes, at)
      at += taken
      this.#position += taken
      if (this.#filled === BLOCK) this.#endBlock()
    }
  }

  /** What ends here must be whole. Throws `ArchiveFault`. */
  end(): void {
    if (this.#zeroBlocks < 2) throw new ArchiveFault('ARCHIVE_TRUNCATED', 'the archive ends before its end mark')
  }

  /** The library found an entry whose header starts at `offset`: one must have been seen there. Throws `ArchiveFault`. */
  expect(offset: number, location: string): void {
    if (this.#offsets.shift() !== offset) fault(`two readings of the archive differ at byte ${offset}`, location)
  }

  /** Takes bytes from `at` on as what they are, and says how many. */
  #take(bytes: Buffer, at: number): number {
    const left = bytes.length - at
    if (this.#zeroBlocks >= 2) return this.#takePadding(bytes.subarray(at))
    if (this.#extended !== undefined && this.#extended.filled < this.#extended.body.length) {
      const { body, filled } = this.#extended
      this.#extended.filled += bytes.copy(body, filled, at)
      if (this.#extended.filled === body.length) this.#endExtended(this.#extended)
      return Math.min(left, body.length - filled)
    }
    if (this.#skip > 0) {
      const skipped = Math.min(left, this.#skip)
      this.#skip -= skipped
      return skipped
    }
    const copied = bytes.copy(this.#block, this.#filled, at)
    this.#filled += copied
    return copied
  }

  #takePadding(bytes: Buffer): number {
    this.#padding += bytes.length
    if (bytes.some((byte) => byte !== 0)) fault('something follows the end mark')
    if (this.#padding > PADDING_BYTES) fault(`more than ${PADDING_BYTES} bytes of padding follow the end mark`)
    return bytes.length
  }

  #endBlock(): void {
    this.#filled = 0
    if (this.#block.every((byte) => byte === 0)) {
      if (this.#pending !== '') fault('the archive ends between a header and its entry')
      this.#zeroBlocks++
      return
    }
    if (this.#zeroBlocks > 0) fault('an entry follows an end mark')
    const type = String.fromCharCode(this.#block[156] ?? 0)
    const size = headerNumber(this.#block.subarray(124, 136))
    if (type === 'x' || type === 'g') this.#startExtended(type, size)
    else if (type === 'L' || type === 'K') this.#longName(type, size)
    else this.#entry(type, size)
  }

  #startExtended(type: 'x' | 'g', size: number): void {
    if (type === 'x') this.#await(type)
    if (size > EXTENDED_HEADER_BYTES) {
      fault(`an extended header of ${size} bytes, at most ${EXTENDED_HEADER_BYTES} are allowed`)
    }
    this.#extended = size === 0 ? undefined : { global: type === 'g', body: Buffer.alloc(size), filled: 0 }
    this.#skip = padded(size) - size
  }

  #endExtended({ global, body }: Extended): void {
    this.#extended = undefined
    for (const [key, value] of paxRecords(body)) {
      if (key.startsWith('GNU.sparse.')) throw new ArchiveFault('ARCHIVE_ENTRY_TYPE', 'a sparse file')
      if (key !== 'path' && key !== 'linkpath' && key !== 'size') continue
      if (global) fault(`a global header sets "${key}" of every entry`)
      if (key === 'size') this.#size = paxNumber(value)
    }
  }

  #longName(type: 'L' | 'K', size: number): void {
    this.#await(type)
    if (size > NAME_BYTES + 1) {
      throw new ArchiveFault('ARCHIVE_NAME', `a name of ${size} bytes, at most ${NAME_BYTES} are allowed`)
    }
    this.#skip = padded(size)
  }

  /** Either one extended header, or one long name and one long target. */
  #await(type: 'x' | 'L' | 'K'): void {
    if (this.#pending.includes(type) || (this.#pending !== '' && (this.#pending === 'x' || type === 'x'))) {
      fault('an entry has several headers that may contradict each other')
    }
    this.#pending += type
  }

  #entry(type: string, headerSize: number): void {
    const size = this.#size ?? headerSize
    this.#size = undefined
    this.#pending = ''
    if (type !== '0' && type !== '\0' && type !== '7') {
      if (!/[1-6]/.test(type)) throw new ArchiveFault('ARCHIVE_ENTRY_TYPE', `an entry of type ${JSON.stringify(type)}`)
      if (size !== 0) fault(`an entry of type ${type}, which has no content, announces ${size} bytes`)
    }
    this.#skip = padded(size)
    this.#offsets.push(this.#position - BLOCK)
  }
}

function fault(message: string, location?: string): never {
  throw new ArchiveFault('ARCHIVE_FRAME', message, location)
}

const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK

/** Octal digits, or a number to base 256 behind a set bit. */
function headerNumber(field: Buffer): number {
  const text = field.toString('latin1')
  const digits = /^ *([0-7]*)[ \0]*$/.exec(text)?.[1]
  if (digits !== undefined) return digits === '' ? 0 : Number.parseInt(digits, 8)
  const value = field[0] === 0x80 ? Number(BigInt(`0x${field.toString('hex', 1)}`)) : Number.NaN
  return Number.isSafeInteger(value) ? value : fault(`a size that is no number: ${JSON.stringify(text)}`)
}

function paxNumber(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : fault(`a size that is no number: ${JSON.stringify(text)}`)
}

/** Records of an extended header: `length key=value\n`, where the length counts all of it. */
function* paxRecords(body: Buffer): Generator<readonly [string, string]> {
  for (let at = 0; at < body.length; ) {
    const digits = /^\d{1,7}(?= )/.exec(body.toString('latin1', at, at + 8))?.[0]
    const end = at + Number(digits)
    const equals = digits === undefined ? -1 : body.indexOf(0x3d, at + digits.length + 1)
    if (digits === undefined || end > body.length || body[end - 1] !== 0x0a || equals === -1 || equals >= end) {
      return fault('an extended header that is malformed')
    }
    const key = body.toString('latin1', at + digits.length + 1, equals)
    const value = body.subarray(equals + 1, end - 1)
    yield [key, key.endsWith('path') ? utf8(value) : value.toString('latin1')]
    at = end
  }
}

function utf8(bytes: Buffer): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw new ArchiveFault('ARCHIVE_NAME', 'a name that is not UTF-8')
  }
}
