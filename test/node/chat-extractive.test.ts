import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { ChatCompletion } from '../../protocol/chat.ts'
import { newPublisher } from '../support/cells.ts'
import { registerDocument } from '../support/documents.ts'
import { FakeMemory } from '../support/fake-memory.ts'
import { nodeInProcess } from '../support/node-pairs.ts'

const LEASE = `Lease of flat 12.

Either party may end this lease with three months' notice. Notice has to be given in writing.
The deposit is returned within thirty days after the end of the lease.
`
const QUESTION = 'How much notice ends the lease?'
const SIGNAL = AbortSignal.timeout(60_000)

/** A node with the embedded composer, and a document that is approved, or not. */
async function quoting(t: TestContext, { approved = true, settings = {} } = {}) {
  const memory = new FakeMemory()
  const { node } = await nodeInProcess(t, { sessions: memory, settings })
  const publisher = newPublisher()
  if (approved) await node.sources.approve({ domain: 'legal', publisher: publisher.publisher }, 'admin')
  await registerDocument(node, publisher, { cellType: 'lease', text: LEASE })
  const ask = (content: string) => ({ model: 'extractive', messages: [{ role: 'user' as const, content }] })
  return {
    memory,
    publisher: publisher.publisher,
    ask: (content: string) => node.chat.complete(ask(content), SIGNAL),
    askInSession: (content: string) => node.chat.completeWithMemory(memory.access, ask(content), SIGNAL),
  }
}

const said = ({ choices }: ChatCompletion): string => choices[0]!.message.content

test('the embedded composer quotes approved documents, says where they stand, and that it is no language model', async (t) => {
  const { ask, publisher } = await quoting(t)
  const answer = said(await ask(QUESTION))
  const place = `(lease 1.0.0, published by ${publisher.slice(0, 16)}…)`
  const [first, second, ...quotes] = answer.split('\n')
  assert.equal(first, 'I am no language model: I only quote. This is what I found.')
  assert.equal(second, 'From documents on this node:')
  assert.ok(quotes.includes(`“Either party may end this lease with three months' notice.” ${place}`), answer)
  for (const quote of quotes) assert.ok(LEASE.includes(quote.slice(1, quote.indexOf('”'))))
  assert.equal(said(await ask(QUESTION)), answer)
})

test('it quotes what was said, by whom and when, and its own answers never', async (t) => {
  const { askInSession, memory } = await quoting(t, { approved: false })
  const earlier = memory.add('About my flat', 'The notice of the lease is six weeks, the landlord wrote.')
  memory.found = [memory.match(earlier, 2)]
  const first = said(await askInSession(QUESTION))
  const quote = `“The notice of the lease is six weeks, the landlord wrote.” (turn_002 of ${earlier}, said by assistant, 2026-01-01T00:00:00.000Z)`
  assert.deepEqual(first.split('\n').slice(1), ['From earlier conversations:', quote])
  const [own] = [...memory.conversationsById.keys()].filter((id) => id !== earlier)
  memory.found = [memory.match(own!, 2), memory.match(earlier, 2)]
  assert.equal(said(await askInSession(QUESTION)), first)
})

test('it says so when nothing that it may quote says anything', async (t) => {
  const { ask } = await quoting(t)
  assert.match(said(await ask('Which colour has the moon?')), /^I am no language model: .*Nothing that I may quote/)
})

test('documents that nobody approved, or that not everybody may read, are not quoted', async (t) => {
  for (const options of [{ approved: false }, { settings: { 'http.open_reading': 'false' } }]) {
    const { ask } = await quoting(t, options)
    assert.match(said(await ask(QUESTION)), /Nothing that I may quote/)
  }
})
