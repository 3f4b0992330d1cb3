import assert from 'node:assert/strict'
import { type Anchor, type AnchorStatement, type AnchorWitnesses, MAX_RECEIPT } from '../packages/anchors.ts'
import type { TestRunner } from './test-runner.ts'

const ORIGIN = '12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX/log'

/** A statement of a size; the checkpoint is not signed by anybody. */
const statement = (size: number): AnchorStatement => {
  const root = size.toString(16).padStart(64, '0')
  const base64 = Buffer.from(root, 'hex').toString('base64')
  return { goal: null, origin: ORIGIN, size, root, checkpoint: `${ORIGIN}\n${size}\n${base64}\n\n— ${ORIGIN} AAAA\n` }
}

/** Everything is cosigned by one witness. */
const WITNESSES: AnchorWitnesses = { cosigned: (_origin, size) => ({ size, lines: ['— witness BBBB'] }) }

/** What every provider of `anchors` must do. `factory` makes one whose service works. */
export function anchorSuite({ test, factory }: { test: TestRunner; factory: () => Anchor | Promise<Anchor> }): void {
  const commit = (anchor: Anchor, size: number, signal: AbortSignal = AbortSignal.timeout(20_000)) =>
    anchor.commit(statement(size), signal, WITNESSES)

  test('commits a statement, and the one after it, each with a receipt', async () => {
    const anchor = await factory()
    for (const size of [1, 2, 2 ** 40]) {
      const receipt = (await commit(anchor, size))?.receipt ?? ''
      assert.ok(receipt.length > 0 && receipt.length <= MAX_RECEIPT, `${receipt.length} characters`)
    }
    await anchor.close()
  })

  test('takes a statement that it has taken before', async () => {
    const anchor = await factory()
    await commit(anchor, 7)
    assert.ok((await commit(anchor, 7))?.receipt)
    await anchor.close()
  })

  test('does nothing for somebody who has given up', async () => {
    const anchor = await factory()
    await assert.rejects(commit(anchor, 7, AbortSignal.abort(new Error('given up'))))
    await anchor.close()
  })

  test('takes nothing once it is closed', async () => {
    const anchor = await factory()
    await anchor.close()
    await assert.rejects(commit(anchor, 7))
  })
}
