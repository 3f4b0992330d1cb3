import assert from 'node:assert/strict'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { toHex } from '../../src/kernel/base/bytes.ts'
import { verifyRoleCertificate } from '../../src/kernel/identity/roles.ts'
import { nativeVerifier } from '../../src/kernel/identity/verify.ts'
import { openCheckpoint } from '../../src/kernel/log/checkpoint.ts'
import { witnessKey } from '../../src/kernel/log/cosignature.ts'
import { noteKey, parseNoteKey } from '../../src/kernel/log/note.ts'
import type { RunningNode } from '../../src/node/node.ts'
import { connectedTo, type TestHandlers, type TestNode, within } from '../network/nodes.ts'
import { NETWORK } from '../support/cells.ts'
import { temporaryFolder } from '../support/folders.ts'
import { hasPeers, nextEvent, nodeInProcess } from '../support/node-pairs.ts'
import { type History, type ScriptedLog, scriptedLog, scriptedLogPeer } from '../support/scripted-logs.ts'
import { untilHolds } from '../support/until-holds.ts'

/** Asks `node` to witness a history that grows from `from` to `to`. */
async function show(peer: TestNode, node: RunningNode, log: ScriptedLog, history: History, from: number, to: number) {
  const body = {
    old_size: from,
    proof: history.proof(from, to),
    checkpoint: history.checkpoint(to),
    certificate: log.certificate,
  }
  const {
    type: _,
    id: __,
    ...answer
  } = await peer.network.request(node.providerId, 'add_checkpoint_request', body, within())
  return answer
}

/** Handlers of a log that proves its growth to who asks. */
const provingFrom = (history: History): TestHandlers => ({
  answers: {
    consistency_request: ({ from, to }) => ({ from_root: toHex(history.root(from)), hashes: history.proof(from, to) }),
  },
})

async function witnessed(t: TestContext, dataDir?: string) {
  const { node, stop } = await nodeInProcess(t, dataDir === undefined ? {} : { dataDir })
  return { node, stop }
}

describe('a witness', { concurrency: 4 }, () => {
  it('cosigns what extends what it cosigned before, as C2SP says, and says so where it does not', async (t) => {
    const { node } = await witnessed(t)
    const log = scriptedLog()
    const history = log.history('only')
    const peer = await scriptedLogPeer(t, log, { seeds: node.addresses, handlers: provingFrom(history) })
    await connectedTo(peer, node.providerId)

    const first = await show(peer, node, log, history, 0, 3)
    const expected = { providerId: node.providerId, role: 'witness', now: Date.now() } as const
    const raw = verifyRoleCertificate(nativeVerifier, NETWORK, first.certificate!, expected)
    const key = witnessKey(node.providerId, raw)
    assert.deepEqual(parseNoteKey(node.log.witnesses().self.vkey), key)
    const note = `${history.checkpoint(3)}${first.cosignature}\n`
    const origin = noteKey(`${log.providerId}/log`, log.key.publicKey)
    assert.deepEqual(openCheckpoint(nativeVerifier, note, origin, [key]).witnesses, [key])

    assert.deepEqual(await show(peer, node, log, history, 0, 5), {
      conflict: { size: 3, checkpoint: history.checkpoint(3) },
    })
    assert.ok((await show(peer, node, log, history, 3, 5)).cosignature)
    assert.ok((await show(peer, node, log, history, 5, 5)).cosignature, 'the same again')
    const wrong = { ...history, proof: () => history.proof(3, 5) }
    assert.deepEqual(await show(peer, node, log, wrong, 5, 9), { refused: 'proof' })
    const unsigned = { ...history, checkpoint: () => scriptedLog().history('only').checkpoint(9) }
    assert.deepEqual(await show(peer, node, log, unsigned, 5, 9), { refused: 'signature' })
  })

  it('remembers across a restart what it cosigned', async (t) => {
    const dataDir = join(await temporaryFolder(t), 'data')
    const log = scriptedLog()
    const history = log.history('only')
    const before = await witnessed(t, dataDir)
    const peer = await scriptedLogPeer(t, log, { seeds: before.node.addresses })
    await connectedTo(peer, before.node.providerId)
    assert.ok((await show(peer, before.node, log, history, 0, 3)).cosignature)
    await before.stop()
    await peer.network.stop()

    const { node } = await witnessed(t, dataDir)
    const again = await scriptedLogPeer(t, log, { seeds: node.addresses })
    await connectedTo(again, node.providerId)
    assert.ok((await show(again, node, log, history, 3, 4)).cosignature)
    assert.deepEqual(await show(again, node, log, log.history('other'), 0, 5), {
      conflict: { size: 4, checkpoint: history.checkpoint(4) },
    })
  })

  it('never cosigns two histories, asked for both at once', async (t) => {
    const { node } = await witnessed(t)
    for (let round = 0; round < 5; round++) {
      const log = scriptedLog()
      const histories = Array.from({ length: 8 }, (_, i) => log.history(`history ${i}`))
      // Until all are answered it owes no proof: then it would be suspended, and none cosigned.
      const answered = Promise.withResolvers<object>()
      const handlers = { answers: { consistency_request: () => answered.promise } }
      const peer = await scriptedLogPeer(t, log, { seeds: node.addresses, handlers })
      await connectedTo(peer, node.providerId)
      // All sizes differ, so that none contradicts another by itself.
      const answers = await Promise.all(histories.map((history, i) => show(peer, node, log, history, 0, i + 3)))
      answered.resolve({})
      assert.equal(answers.filter(({ cosignature }) => cosignature !== undefined).length, 1)
      await peer.network.stop()
    }
  })
})

/** Does something that is logged. */
const append = (node: RunningNode, name: string) => node.keys.create({ role: 'reader', name }, 'admin')

const sizeOf = (node: RunningNode): number => Number(node.log.checkpoint().split('\n')[1])

/** Resolves when somebody has cosigned the newest checkpoint. */
async function cosigned(node: RunningNode): Promise<void> {
  while (!node.log.witnesses().witnesses.some(({ size }) => size === sizeOf(node))) {
    await nextEvent(node, 'checkpoint_cosigned')
  }
}

describe("a node's own log", { concurrency: 4 }, () => {
  it('is cosigned by its peers, and its checkpoint shows it to standard tools', async (t) => {
    const a = await nodeInProcess(t)
    const b = await nodeInProcess(t, { seeds: a.node.addresses })
    await Promise.all([hasPeers(a.node, 1), hasPeers(b.node, 1)])
    await append(a.node, 'one')
    await cosigned(a.node)
    const [witness] = a.node.log.witnesses().witnesses
    assert.equal(witness?.provider_id, b.node.providerId)
    const { log } = await a.node.info()
    const keys = [parseNoteKey(witness.vkey)]
    const opened = openCheckpoint(nativeVerifier, a.node.log.checkpoint(), parseNoteKey(log.key), keys)
    assert.equal(opened.size, 1)
    assert.deepEqual(opened.witnesses, keys)
  })

  for (const when of ['before it starts', 'after it appended'] as const) {
    it(`goes on in a new epoch when a backup was restored, which a witness tells ${when}; it is not banned`, async (t) => {
      const witness = await nodeInProcess(t)
      const dataDir = join(await temporaryFolder(t), 'data')
      const backup = join(await temporaryFolder(t), 'backup')
      const seeds = witness.node.addresses
      const first = await nodeInProcess(t, { dataDir, seeds })
      await append(first.node, 'one')
      await cosigned(first.node)
      await first.stop()
      await cp(dataDir, backup, { recursive: true })

      const second = await nodeInProcess(t, { dataDir, seeds })
      await append(second.node, 'two')
      await append(second.node, 'three')
      await cosigned(second.node)
      assert.equal(sizeOf(second.node), 3)
      await second.stop()

      await rm(dataDir, { recursive: true })
      await cp(backup, dataDir, { recursive: true })
      // Without them the node would know by itself.
      await rm(`${dataDir}.keys/log-marks.json`)
      const restored = await nodeInProcess(t, { dataDir, seeds: when === 'before it starts' ? seeds : [] })
      if (when === 'after it appended') {
        await append(restored.node, 'other')
        const link = await nodeInProcess(t, { seeds: [...restored.node.addresses, ...seeds] })
        await hasPeers(link.node, 2)
        // It may have found the witness by itself already: it has met it before.
        await untilHolds(() => assert.equal(restored.node.log.epochs({}).epoch, 2))
      }
      const { providerId } = restored.node
      const { epoch, epochs } = restored.node.log.epochs({})
      assert.equal(epoch, 2)
      assert.equal(epochs[0]?.superseded.checkpoint.split('\n')[1], '3')
      assert.ok(restored.node.log.checkpoint().startsWith(`${providerId}/log.2\n`))
      await append(restored.node, 'four')
      await cosigned(restored.node)
      assert.equal(witness.node.log.epochs({ provider_id: providerId }).epoch, 2)
      assert.deepEqual((await witness.node.log.evidence({})).equivocations, [])
      assert.deepEqual((await witness.node.log.evidence({})).suspended, [])
    })
  }
})
