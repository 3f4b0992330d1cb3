import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ModelLinks, type Reachable } from '../../scripts/model/links.ts'
import { ModelNode } from '../../scripts/model/node.ts'
import { run } from '../../scripts/model/scenario.ts'
import { VirtualTime } from '../../scripts/model/virtual-time.ts'
import { random } from '../../scripts/simulate/random.ts'
import { Refusal } from '../../src/network/peer-error.ts'

/** Runs of the model. `npm run model` does thousands. */
const SEEDS = 6

describe('a federation in virtual time', () => {
  it('takes nothing false, never goes back, and converges after kills, partitions, clocks that jump and a peer that lies', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { failures, acts, announcements } = await run(seed)
      assert.deepEqual(failures, [], `seed ${seed}`)
      assert.ok(acts > 50 && announcements > 20, `${acts} acts and ${announcements} announcements: too little happened`)
    }
  })

  it('does the same again for the same seed', async () => {
    const [one, again, other] = [await run(3), await run(3), await run(4)]
    assert.deepEqual(again, one)
    assert.notEqual(other.messages, one.messages)
  })

  it('hears of an honest peer what gossip lost, while another one claims to know more and shows nothing', async () => {
    const source = random(1)
    const time = new VirtualTime(source)
    const restore = time.install()
    try {
      const failures: string[] = []
      // Gossip is lost, all of it; what is asked and answered is not.
      const links = new ModelLinks(time, source, { delayMs: 50, loss: 0, gossipLoss: 1 })
      const nodes = ['node0', 'node1'].map(
        (name) =>
          new ModelNode({
            name,
            time,
            random: source,
            links,
            failed: (reason) => failures.push(reason),
            trace: () => undefined,
            isHonest: (id) => id !== boaster.providerId,
            announced: () => undefined,
            wasAnnounced: () => true,
          }),
      )
      const [asking, telling] = nodes as [ModelNode, ModelNode]
      links.link('node0', 'node1')
      for (const { name } of nodes) links.link(name, boaster.owner.name)
      links.started(boaster)
      for (const node of nodes) node.start()
      telling.change()
      await time.pass(10_000)
      // Longer than any announcement lasts: what is known at the end came when it was announced anew, which changes no count.
      for (let second = 10; second < 300; second++) {
        await time.pass(1000)
        const offered = [0, 1, 2].flatMap((page) => asking.running!.offered(telling.providerId, page))
        assert.equal(offered.length, 1, `after ${second} seconds`)
      }
      assert.deepEqual(failures, [])
    } finally {
      restore()
    }
  })
})

/** Claims to have more than anybody, in every answer, and never has time to show it. */
const boaster: Reachable = {
  owner: { name: 'boaster' },
  providerId: 'boaster',
  async answer(method) {
    if (method !== 'state_request') throw new Refusal('busy', 'later')
    const sets = ['yanks', 'announcements'].map((name) => ({ name, count: 1_000_000, root: 'ff'.repeat(32) }))
    return { sets, log: { size: 0, root: '' } }
  },
  gossiped: () => 'ignore',
  connected: () => undefined,
  disconnected: () => undefined,
}
