import type { LogDestination } from './logger.ts'

/** Lines that are kept, and characters of all of them: what an operator looks back at, in two megabytes. */
const MAX_LINES = 2000
const MAX_CHARACTERS = 1024 * 1024

/** A line with its number. */
export interface NumberedLine {
  readonly number: number
  /** JSON, without a line feed. */
  readonly text: string
}

/** The newest lines of a log, in memory, for who follows it. */
export class LogRing implements LogDestination {
  #lines: NumberedLine[] = []
  #characters = 0
  #next = 1
  #waiting: (() => void)[] = []

  write(line: string): void {
    const text = line.trimEnd()
    this.#lines.push({ number: this.#next++, text })
    this.#characters += text.length
    while (this.#lines.length > 1 && (this.#lines.length > MAX_LINES || this.#characters > MAX_CHARACTERS)) {
      this.#characters -= this.#lines.shift()!.text.length
    }
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }

  /** Number of the newest line; 0 before the first. */
  get newest(): number {
    return this.#next - 1
  }

  /** Lines that are kept behind the one with this number, oldest first. */
  after(number: number): readonly NumberedLine[] {
    const first = this.#lines[0]?.number ?? this.#next
    return this.#lines.slice(Math.max(0, number + 1 - first))
  }

  /** Resolves when there is a line behind the one with this number, or the signal fires. */
  async more(number: number, signal: AbortSignal): Promise<void> {
    if (this.newest > number || signal.aborted) return
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.push(wake)
      signal.addEventListener('abort', wake, { once: true })
    })
  }
}
