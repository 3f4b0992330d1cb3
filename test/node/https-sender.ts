/** A node in a process of its own, which trusts what its environment says; it does with webhooks what its parent tells it. */
import type { TestContext } from 'node:test'
import { TestClock } from '../support/cells.ts'
import { nodeInProcess } from '../support/node-pairs.ts'

export type Order =
  | { readonly type: 'create'; readonly url: string }
  | { readonly type: 'ban'; readonly providerId: string }
  | { readonly type: 'pass'; readonly ms: number }
  | { readonly type: 'look' }

const ADMIN = { owner: null, by: 'admin' }
const [dataDir = ''] = process.argv.slice(2)
const clock = new TestClock(Date.now())
// The parent ends it.
const forever = { after: () => undefined } as unknown as TestContext
const settings = { 'assurance.webhooks_allow_private': 'true' }
const { node } = await nodeInProcess(forever, { dataDir, clock, settings })

async function obey(order: Order): Promise<unknown> {
  switch (order.type) {
    case 'create':
      return node.webhooks.create({ url: order.url, events: ['peer.banned'] }, ADMIN)
    case 'ban':
      return node.events.emit('peer_banned', { providerId: order.providerId, reason: 'sends garbage', until: null })
    case 'pass':
      return clock.advance(order.ms)
    case 'look':
      return node.webhooks.list(ADMIN).webhooks
  }
}

process.on('message', (order: Order) => {
  obey(order).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: String(error) }),
  )
})
process.send?.({ result: 'ready' })
