import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { StartError } from '../../src/kernel/base/errors.ts'
import { connectedTo, makeNode, startNode } from './nodes.ts'

describe('the network', () => {
  it('leaves nothing that keeps the process alive after stop', async (t) => {
    const child = fork(new URL('./stopping-nodes.ts', import.meta.url), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const killer = setTimeout(() => child.kill('SIGKILL'), 20_000)
    t.after(() => clearTimeout(killer))
    child.once('message', () => child.disconnect())
    const [code, signal] = await once(child, 'exit')
    assert.equal(signal, null)
    assert.equal(code, 0)
  })

  it('says so when its port is taken or its host is no address, and can be stopped all the same', async (t) => {
    const a = await startNode(t)
    const port = Number(a.network.addresses[0]?.split('/')[4])
    const b = makeNode(t, { port })
    await assert.rejects(b.network.start(), (error) => error instanceof StartError && error.message.includes(`${port}`))
    await b.network.stop()
  })

  it('tells who comes and goes, once each', async (t) => {
    const b = await startNode(t)
    const a = makeNode(t, { seeds: b.network.addresses })
    const seen: string[] = []
    b.events.on('peer_connected', ({ providerId, direction }) => seen.push(`+${providerId} ${direction}`))
    const gone = new Promise<void>((resolve) => {
      b.events.on('peer_disconnected', ({ providerId }) => {
        seen.push(`-${providerId}`)
        resolve()
      })
    })
    await a.network.start()
    await connectedTo(b, a.providerId)
    const [peer] = b.network.connectedPeers()
    assert.equal(peer?.direction, 'inbound')
    assert.equal(peer?.seed, false)
    await a.network.stop()
    await gone
    assert.deepEqual(seen, [`+${a.providerId} inbound`, `-${a.providerId}`])
    assert.deepEqual(b.network.connectedPeers(), [])
    assert.deepEqual(a.network.addresses, [])
  })
})
