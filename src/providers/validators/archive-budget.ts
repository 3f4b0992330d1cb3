import { ArchiveFault } from './archive-findings.ts'
import { PACKAGE_ENTRIES, UNPACKED_BYTES, UNPACKED_FREE_BYTES, UNPACKED_RATIO } from './archive-limits.ts'

/** What may still be unpacked. An archive inside another also draws on the budget of the whole. */
export class Budget {
  readonly #whole: Budget | undefined
  readonly #mostBytes: number
  #bytes = 0
  #entries = 0

  /** `packedBytes` are the bytes of the archive as it is stored. */
  constructor(packedBytes: number, whole?: Budget) {
    this.#whole = whole
    this.#mostBytes = Math.min(UNPACKED_BYTES, Math.max(UNPACKED_FREE_BYTES, packedBytes * UNPACKED_RATIO))
  }

  /**
   * Refuses bytes that an entry announces before any of them is unpacked.
   *
   * @throws ArchiveFault `ARCHIVE_TOO_LARGE`
   */
  announce(bytes: number, location: string): void {
    if (this.#bytes + bytes > this.#mostBytes) {
      const message = `unpacks to ${this.#bytes + bytes} bytes or more, at most ${this.#mostBytes} are allowed for its size`
      throw new ArchiveFault('ARCHIVE_TOO_LARGE', message, location)
    }
    this.#whole?.announce(bytes, location)
  }

  /** Counts bytes that were unpacked; throws as `announce` does. */
  unpack(bytes: number): void {
    this.announce(bytes, 'package')
    for (let budget: Budget | undefined = this; budget !== undefined; budget = budget.#whole) budget.#bytes += bytes
  }

  /**
   * Counts an entry of any archive of the package.
   *
   * @throws ArchiveFault `ARCHIVE_TOO_MANY`
   */
  enter(location: string): void {
    if (this.#whole !== undefined) this.#whole.enter(location)
    else if (++this.#entries > PACKAGE_ENTRIES) {
      throw new ArchiveFault('ARCHIVE_TOO_MANY', `more than ${PACKAGE_ENTRIES} entries in all archives`, location)
    }
  }
}
