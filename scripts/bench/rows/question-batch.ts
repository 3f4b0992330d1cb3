import { createClient, operatorKey, operatorPublicKey } from '../../../src/client/index.ts'
import { toBase64Url } from '../../../src/kernel/base/bytes.ts'
import { newSeed } from '../../../src/kernel/identity/keys.ts'
import { startDaemon } from '../daemon.ts'
import { bounded, type Measurement, quantile } from '../measure.ts'
import { documentTexts } from '../prose.ts'
import type { Row } from '../row.ts'
import { ADMIN_KEY } from '../upload-body.ts'
import { questionsAbout } from './questions.ts'

const COUNT = 10_000
const DOMAIN = 'general'
/** Documents that are registered at once. */
const AT_ONCE = 16
/** Milliseconds between two looks at the health of the node, and at the batch. */
const HEALTH_MS = 20
const STATUS_MS = 250
const MOST_SECONDS = 60
const MOST_HEALTH_MS = 250

export const questionBatch: Row = {
  name: 'question-batch',
  title: 'a batch of 10,000 questions over 10,000 documents',
  async run(context) {
    const count = context.quick ? 100 : COUNT
    const texts = documentTexts(count)
    const daemon = await startDaemon(await context.folder('batch'))
    context.defer(() => daemon.stop())
    const nodes = `http://127.0.0.1:${daemon.httpPort}`
    const admin = createClient({ nodes, apiKey: ADMIN_KEY })
    const seed = newSeed()
    const made = await admin.operators.create({
      algorithm: 'ed25519',
      public_key: toBase64Url(operatorPublicKey(seed)),
      permissions: [{ domain: DOMAIN, jurisdictions: null }],
      tier: 'enterprise',
    })
    const operator = operatorKey(made.operator_id, { seed })
    const { batch, query } = createClient({ nodes, operator })

    let next = 0
    const register = async (): Promise<string | undefined> => {
      let publisher: string | undefined
      for (let at = next++; at < texts.length; at = next++) {
        const metadata = {
          cell_type: `document-${at}`,
          version: '1.0.0',
          capabilities: [{ name: 'document', version: '1.0.0' }],
          packaging_format: 'document',
          media_type: 'text/markdown',
          labels: { domain: DOMAIN },
        }
        publisher = (await admin.registerCell({ metadata, package: Buffer.from(texts[at]!) })).publisher ?? publisher
      }
      return publisher
    }
    const publishers = await Promise.all(Array.from({ length: AT_ONCE }, register))
    const publisher = publishers.find((one) => one !== undefined)
    await admin.send('PUT', '/api/v1/assurance/approvals', { domain: DOMAIN, publisher })
    const questions = questionsAbout(texts, count).map((text) => ({ query: text, domain: DOMAIN }) as const)
    // The first answer waits for the index.
    await query(questions[0]!)

    const health = watchHealth(nodes)
    const since = performance.now()
    const { batch_id } = await batch.submit(questions)
    let status = await batch.status(batch_id)
    while (status.status !== 'completed') {
      await new Promise((resolve) => setTimeout(resolve, STATUS_MS))
      status = await batch.status(batch_id)
    }
    const seconds = (performance.now() - since) / 1000
    const delays = await health.stop()
    if (status.failed > 0) throw new Error(`${status.failed} questions failed`)
    const note = `by a node of its own over HTTP, every answer durable; ${status.succeeded} answered, ${status.partial} in part`
    const slowest: Measurement = { label: `health meanwhile, p50`, unit: 'ms', ours: quantile(delays, 0.5) }
    return [
      bounded(questionBatch.title, 's', [seconds], MOST_SECONDS, note),
      bounded('health meanwhile, p99', 'ms', [quantile(delays, 0.99)], MOST_HEALTH_MS, `${delays.length} looks`),
      slowest,
    ]
  },
}

/** Asks for the health of a node again and again; milliseconds of each answer. */
function watchHealth(url: string): { stop(): Promise<number[]> } {
  const delays: number[] = []
  let isOver = false
  const watching = (async () => {
    while (!isOver) {
      const since = performance.now()
      const answer = await fetch(`${url}/health`)
      await answer.arrayBuffer()
      if (answer.status !== 200) throw new Error(`health: ${answer.status}`)
      delays.push(performance.now() - since)
      await new Promise((resolve) => setTimeout(resolve, HEALTH_MS))
    }
  })()
  watching.catch(() => undefined)
  return {
    async stop() {
      isOver = true
      await watching
      return delays
    },
  }
}
