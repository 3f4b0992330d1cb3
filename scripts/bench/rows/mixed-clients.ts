import { capabilityName } from '../cells.ts'
import { startDaemon } from '../daemon.ts'
import { bounded, quantile } from '../measure.ts'
import type { Asked, Outcome } from '../roles/crowd.ts'
import type { Row } from '../row.ts'
import { CELLS_PER_CAPABILITY } from '../store-with-cells.ts'

const CLIENTS = 1000
const SLOW = 200
const CELLS = 10_000
const SECONDS = 60
/** Processes that share the clients. */
const CROWDS = 2

export const mixedClients: Row = {
  name: 'mixed-clients',
  title: `${CLIENTS.toLocaleString('en-US')} mixed clients for ${SECONDS} s beside ${SLOW} slow uploads`,
  async run(context) {
    const [cells, clients, slow, ms] = context.quick
      ? [100, 10, 4, 10 * context.roundMs]
      : [CELLS, CLIENTS, SLOW, SECONDS * 1000]
    const dataDir = await context.folder('mixed')
    const fixture = await context.worker('fixture')
    await fixture.call('fill', { dataDir, cells, cellsPerCapability: CELLS_PER_CAPABILITY })
    await fixture.stop()
    const daemon = await startDaemon(dataDir)
    context.defer(() => daemon.stop())
    const { httpPort: port, providerId } = daemon
    const digest = await packageDigest(port)
    const asked: Asked = { port, providerId, digest, cells, capabilities: cells / CELLS_PER_CAPABILITY }

    const uploads = await context.worker('crowd')
    const hanging = uploads.call<number>('hangOn', { port, clients: slow, ms })
    const outcomes = await Promise.all(
      Array.from({ length: CROWDS }, async (_, number) => {
        const crowd = await context.worker('crowd')
        return await crowd.call<Outcome>('ask', { ...asked, clients: clients / CROWDS, ms, name: `crowd-${number}` })
      }),
    )
    const closed = await hanging

    const durations = outcomes.flatMap((outcome) => [...outcome.durations])
    const classes: Record<string, number> = {}
    for (const outcome of outcomes) {
      for (const [kind, count] of Object.entries(outcome.classes)) classes[kind] = (classes[kind] ?? 0) + count
    }
    const counts = Object.entries(classes)
      .sort()
      .map(([kind, count]) => `${kind}: ${count}`)
      .join(', ')
    const perSecond = Math.round((durations.length * 1000) / ms)
    const p50 = quantile(durations, 0.5).toFixed(1)
    const note = `a quarter of a second between two requests of a client, ${CROWDS} processes of clients on the node's cores; ${perSecond} requests/s, p50 ${p50} ms, answers ${counts}; ${closed} slow uploads were closed`
    const bad = (classes['5xx'] ?? 0) + (classes.closed ?? 0)
    return [
      bounded(`${mixedClients.title}, p99`, 'ms', [quantile(durations, 0.99)], 250, note),
      bounded(`${mixedClients.title}, answers 5xx or none`, 'requests', [bad], 1),
    ]
  },
}

/** The digest of the package that all cells share. */
async function packageDigest(port: number): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/cells/request`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ request_id: 'first', capability: capabilityName(0) }),
  })
  const { cell } = (await answer.json()) as { cell: { digest: string } }
  return cell.digest
}
