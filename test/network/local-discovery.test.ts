import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

const PEER = fileURLToPath(new URL('./local-peer.ts', import.meta.url))

/** Why a datagram to a multicast group does not come back here; undefined when it does. */
async function multicastFailure(): Promise<string | undefined> {
  const group = '224.0.0.251'
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  try {
    socket.bind(0)
    await once(socket, 'listening')
    socket.addMembership(group)
    socket.setMulticastLoopback(true)
    const came = once(socket, 'message', { signal: AbortSignal.timeout(2000) })
    socket.send('ping', socket.address().port, group, (error) => {
      if (error !== null) socket.emit('error', error)
    })
    await came
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    socket.close()
  }
}

it('nodes on one local network find each other without seeds', async (t) => {
  const failure = await multicastFailure()
  if (failure !== undefined) {
    t.skip(`no multicast here: ${failure}`)
    return
  }
  // A name of its own, so that no other node on this machine answers.
  const network = `local-${process.pid}`
  const [a, b] = await Promise.all([startPeer(t, network), startPeer(t, network)])
  assert.equal(await a.met, b.self)
  assert.equal(await b.met, a.self)
})

/** A node in a process of its own, and whom it meets. */
async function startPeer(t: TestContext, network: string): Promise<{ self: string; met: Promise<string> }> {
  const child = fork(PEER, [network], { execArgv: ['--disable-warning=ExperimentalWarning'] })
  t.after(async () => {
    if (child.exitCode !== null) return
    child.kill()
    await once(child, 'exit')
  })
  const started = Promise.withResolvers<string>()
  const met = Promise.withResolvers<string>()
  child.on('message', (message: { self?: string; peer?: string }) => {
    if (message.self !== undefined) started.resolve(message.self)
    if (message.peer !== undefined) met.resolve(message.peer)
  })
  child.on('exit', (code) => {
    started.reject(new Error(`the node ended with ${code}`))
    met.reject(new Error(`the node ended with ${code}`))
  })
  met.promise.catch(() => undefined)
  return { self: await started.promise, met: met.promise }
}
