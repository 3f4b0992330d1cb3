import type { ServerResponse } from 'node:http'

interface Answer {
  readonly raw: ServerResponse
  readonly text: string | Buffer
  readonly isAscii: boolean
}

/** Answers of this turn of the event loop. */
let waiting: Answer[] = []

/**
 * Ends an answer with `text` when all requests that have arrived were looked at, together with the answers to those. A client that sleeps has
 * to be woken for each write, and who is woken answers soon: written one right behind the other, most find somebody awake.
 */
export function endTogether(raw: ServerResponse, text: string | Buffer, isAscii: boolean): void {
  if (waiting.length === 0) setImmediate(endWaiting)
  waiting.push({ raw, text, isAscii })
}

/** Ends the answers that wait. */
export function endWaiting(): void {
  const answers = waiting
  waiting = []
  for (const { raw, text, isAscii } of answers) {
    // What is ASCII needs no encoding.
    if (isAscii) raw.end(text, 'latin1')
    else raw.end(text)
  }
}
