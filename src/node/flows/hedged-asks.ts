import { firstFound, within } from '../../kernel/base/racing.ts'

/**
 * Asks one peer after the other, as they are found, and beside a slow one the next after `hedgeMs(peer)` milliseconds. Resolves with the first
 * answer that is not undefined, with undefined when nobody is left to answer. Rejects when `peers` or `ask` does. Who is still being
 * asked, or looked for, when the answer is there is left to the caller to end.
 */
export function firstAnswer<Peer, Answer>(
  peers: AsyncIterable<Peer>,
  ask: (peer: Peer) => Promise<Answer | undefined>,
  hedgeMs: (peer: Peer) => number,
): Promise<Answer | undefined> {
  return new Promise((resolve, reject) => {
    const asks: Promise<Answer | undefined>[] = []
    let isAnswered = false
    const askAll = async (): Promise<Answer | undefined> => {
      for await (const peer of peers) {
        if (isAnswered) return undefined
        const asking = ask(peer)
        asks.push(asking)
        // An answer counts as well while the next peer is being looked for.
        asking.then((answer) => {
          if (answer === undefined) return
          isAnswered = true
          resolve(answer)
        }, reject)
        await within(firstFound(asks), hedgeMs(peer), () => undefined)
        if (isAnswered) return undefined
      }
      return firstFound(asks)
    }
    askAll().then(resolve, reject)
  })
}
