import type { SessionCreated } from '../../../protocol/memory.ts'
import type { Recall } from '../../../src/domain/memory/recall.ts'
import { loadConfig } from '../../../src/kernel/config/load.ts'
import { createLogger } from '../../../src/kernel/telemetry/logger.ts'
import { createMetrics } from '../../../src/kernel/telemetry/metrics.ts'
import { startNode } from '../../../src/node/node.ts'
import { startDaemon } from '../daemon.ts'
import { bounded, quantile } from '../measure.ts'
import type { Row } from '../row.ts'
import { turns } from '../said.ts'

const SESSIONS = 1000
/** Turns of each session: 100,000 in all. */
const TURNS_EACH = 100
/** Requests of one round, one after the other, each to another session. */
const REQUESTS = 1000
const RATES =
  'memory:\n  rate_per_minute: { session: 0, conversation: 0, context: 0, chat: 0, analytics: 0, total: 0 }\n'
const SIGNAL = new AbortController().signal

/** A session, and where something can be said in it. */
interface Filled {
  readonly session: SessionCreated
  readonly conversationId: string
}

export const sessions: Row = {
  name: 'sessions',
  title: '1,000 sessions with 100,000 turns',
  async run(context) {
    const folder = await context.folder('sessions')
    const filled = await fill(folder, context.quick ? 5 : SESSIONS)
    const daemon = await startDaemon(folder, RATES)
    context.defer(() => daemon.stop())
    const requests = context.quick ? 10 : REQUESTS
    const url = `http://127.0.0.1:${daemon.httpPort}/api/v2`
    const loads: number[] = []
    const additions: number[] = []
    for (let round = 0; round < context.rounds; round++) {
      const ofRound = { loads: [] as number[], additions: [] as number[] }
      for (let n = 0; n < requests; n++) {
        const { session, conversationId } = filled[(n * 7) % filled.length]!
        const headers = { Authorization: `Bearer ${session.token}`, 'Content-Type': 'application/json' }
        ofRound.loads.push(await timed(`${url}/sessions/${session.session_id}`, { headers }))
        const body = JSON.stringify({ agent: 'user', content: `What I said as number ${n} of round ${round}.` })
        const turn = { method: 'POST', headers, body }
        ofRound.additions.push(await timed(`${url}/conversations/${conversationId}/turns`, turn))
      }
      loads.push(quantile(ofRound.loads, 0.99))
      additions.push(quantile(ofRound.additions, 0.99))
    }
    const note = 'over HTTP, one at a time, each to another session; vectors are computed beside it'
    return [
      bounded(`${sessions.title}, a turn is added, durable, p99`, 'ms', additions, 10, note),
      bounded(`${sessions.title}, a session is loaded, p99`, 'ms', loads, 10, note),
    ]
  },
}

async function timed(url: string, request: RequestInit): Promise<number> {
  const since = performance.now()
  const response = await fetch(url, request)
  const text = await response.text()
  if (!response.ok) throw new Error(`${url} answers ${response.status}: ${text.slice(0, 300)}`)
  return performance.now() - since
}

/** Makes sessions in the data directory `folder`, and ends the node again. What they mean is not computed. */
async function fill(folder: string, count: number): Promise<Filled[]> {
  const env = { CYTOPLEX_DATA_DIR: folder, CYTOPLEX_P2P_PORT: '0', CYTOPLEX_P2P_HOST: '127.0.0.1' }
  const { config } = loadConfig({ env })
  const recall: Recall = {
    search: async () => ({ matches: [], total: 0 }),
    added: () => undefined,
    removed: () => undefined,
    forget: () => undefined,
  }
  const logger = createLogger({ level: 'silent' })
  const node = await startNode({ config, logger, metrics: createMetrics(), memory: { recall } })
  const filled: Filled[] = []
  try {
    for (let number = 0; number < count; number++) {
      const session = await node.memory.createSession({})
      const access = await node.memory.authorize(session.token)
      const said = turns(TURNS_EACH, number + 1)
      const start = { session_id: session.session_id, directive: said[0]!.text || 'a directive', use_context: false }
      const { conversation_id: conversationId } = await node.memory.startConversation(access, start, SIGNAL)
      const added = said.slice(1).map(({ agent, text }) => ({ agent: agent ?? 'user', content: text || 'a turn' }))
      await node.memory.addTurns(access, conversationId, added)
      filled.push({ session, conversationId })
    }
  } finally {
    await node.stop()
  }
  return filled
}
