import { alternate, compared, type Measurement, median } from '../measure.ts'
import type { Started } from '../roles/node.ts'
import type { Row } from '../row.ts'

const CONNECTIONS = 32
const CELLS_PER_CAPABILITY = 10
/** Requests of one round: some two seconds. */
const REQUESTS = 15_000
const PATH = '/api/v1/cells/request'

export const signedRequests: Row = {
  name: 'signed-requests',
  title: 'capability request with an Ed25519 quantum signature, local hit, 32 connections',
  async run(context) {
    const cells = context.quick ? 100 : 10_000
    const count = context.quick ? 100 : REQUESTS
    const dataDir = await context.folder('signed-requests')
    const fixture = await context.worker('fixture')
    await fixture.call('fill', { dataDir, cells, cellsPerCapability: CELLS_PER_CAPABILITY })
    await fixture.stop()

    const node = await context.worker('node')
    const { httpPort, providerId } = await node.call<Started>('start', { dataDir, withHttp: true })
    const [load, verifier] = await Promise.all([context.worker('signer'), context.worker('signer')])
    const prepared = {
      count,
      keys: CONNECTIONS,
      capabilities: cells / CELLS_PER_CAPABILITY,
      audience: providerId,
      path: PATH,
    }
    await verifier.call('prepare', prepared)

    let busy = 0
    const { ours, baseline, bare } = await alternate(context.rounds, {
      async ours() {
        // Before the clock starts, and not long before: a signature holds for five minutes, and once.
        await load.call('prepare', prepared)
        await node.call('busy')
        const rate = await load.call<number>('send', { port: httpPort, path: PATH, connections: CONNECTIONS })
        busy = await node.call<number>('busy')
        return rate
      },
      baseline: () => verifier.call<number>('verifyAll'),
      bare: () => verifier.call<number>('verifyBare'),
    })
    const note = `each with a nonce of its own, used up durably; baseline: a process that only verifies such requests, header, canonical form and signature, on one core; core use ${busy.toFixed(2)}`
    const explained: Measurement = {
      label: `${signedRequests.title}, to the signature check of OpenSSL alone`,
      unit: 'requests/s',
      ours: median(ours),
      baseline: median(bare),
      ratio: median(ours) / median(bare),
    }
    return [compared(signedRequests.title, 'requests/s', ours, baseline, 0.7, note), explained]
  },
}
