import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { firstAnswer } from '../../src/node/flows/hedged-asks.ts'

const HEDGE_MS = 5
const soon = () => HEDGE_MS
const late = () => 60_000
const never = <T>(): Promise<T> => new Promise(() => undefined)

async function* peers(...names: string[]): AsyncGenerator<string> {
  yield* names
}

/** Finds some peers, and then looks for more for ever. */
async function* endless(...names: string[]): AsyncGenerator<string> {
  yield* names
  await never()
}

describe('the first answer', () => {
  it('comes from the next peer when one hangs', async () => {
    const answer = await firstAnswer(
      peers('hangs', 'hangs too', 'good'),
      (peer) => (peer === 'good' ? Promise.resolve(peer) : never<string>()),
      soon,
    )
    assert.equal(answer, 'good')
  })

  it('does not wait for peers that are still being looked for', async () => {
    const gate = Promise.withResolvers<string>()
    const answer = firstAnswer(endless('slow'), () => gate.promise, soon)
    setTimeout(gate.resolve, 2 * HEDGE_MS, 'late')
    assert.equal(await answer, 'late')
  })

  it('asks nobody else once it is there', async () => {
    const asked: string[] = []
    const ask = async (peer: string) => {
      asked.push(peer)
      return peer === 'b' ? peer : undefined
    }
    assert.equal(await firstAnswer(peers('a', 'b', 'c'), ask, late), 'b')
    assert.deepEqual(asked, ['a', 'b'])
  })

  it('is undefined when nobody has one', async () => {
    assert.equal(await firstAnswer(peers(), async () => 'x', soon), undefined)
    assert.equal(await firstAnswer(peers('a', 'b'), async () => undefined, late), undefined)
  })

  it('is a failure when asking or looking fails', async () => {
    const fails = async (): Promise<string> => Promise.reject(new Error('broken'))
    await assert.rejects(firstAnswer(endless('a'), fails, soon), /broken/)
    async function* lost(): AsyncGenerator<string> {
      yield 'a'
      throw new Error('lost')
    }
    await assert.rejects(
      firstAnswer(lost(), async () => undefined, soon),
      /lost/,
    )
  })
})
