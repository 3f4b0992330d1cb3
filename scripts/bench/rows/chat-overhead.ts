import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { SessionCreated } from '../../../protocol/memory.ts'
import { startDaemon } from '../daemon.ts'
import { bounded, median, quantile } from '../measure.ts'
import type { Row, RowContext } from '../row.ts'

/** Completions of one round, one after the other. */
const COMPLETIONS = 300
/** Milliseconds that the node may add. */
const MOST_MS = 5
const MODEL = 'scripted'
const TURNS = 200
const WAYS = ['bare', 'plain', 'remembering'] as const
type Way = (typeof WAYS)[number]

/** An answer of 20 words, at once. */
const EVENTS = [
  ...Array.from({ length: 20 }, (_, n) => ({
    choices: [{ index: 0, delta: { content: `word ${n} ` }, finish_reason: null }],
  })),
  { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
  { choices: [], usage: { prompt_tokens: 10, completion_tokens: 20 } },
]
const STREAM = `${EVENTS.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')}data: [DONE]\n\n`

export const chatOverhead: Row = {
  name: 'chat-overhead',
  title: 'chat completion, added to the bare upstream call',
  async run(context) {
    const count = context.quick ? 10 : COMPLETIONS
    const upstream = await scriptedUpstream(context)
    const daemon = await startDaemon(await context.folder('chat-overhead'), configFor(upstream))
    context.defer(() => daemon.stop())
    const node = `http://127.0.0.1:${daemon.httpPort}`
    const token = await rememberingSession(node, context.quick ? 10 : TURNS)

    const ways: Record<Way, () => Promise<number>> = {
      bare: () => complete(`${upstream}/chat/completions`, {}),
      plain: () => complete(`${node}/v1/chat/completions`, {}),
      remembering: () => complete(`${node}/v2/chat/completions`, { Authorization: `Bearer ${token}` }),
    }
    const medians: Record<Way, number[]> = { bare: [], plain: [], remembering: [] }
    for (let round = 0; round < context.rounds; round++) {
      const times: Record<Way, number[]> = { bare: [], plain: [], remembering: [] }
      // In turn, so that what else the machine does hits all alike.
      for (let n = 0; n < count; n++) for (const way of WAYS) times[way].push(await ways[way]())
      for (const way of WAYS) medians[way].push(quantile(times[way], 0.5))
    }
    const added = (way: Way): number[] => medians[way].map((ms, round) => ms - medians.bare[round]!)
    const bare = `the bare call takes ${median(medians.bare).toFixed(2)} ms`
    const remembered = `a session of ${TURNS} turns is searched, and both turns are stored durably; ${bare}`
    return [
      bounded(`${chatOverhead.title}, p50`, 'ms', added('plain'), MOST_MS, `without memory; ${bare}`),
      bounded(`${chatOverhead.title}, with memory, p50`, 'ms', added('remembering'), MOST_MS, remembered),
    ]
  },
}

async function scriptedUpstream(context: RowContext): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().once('end', () => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).end(STREAM)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  context.defer(async () => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
}

const configFor = (upstream: string): string => `memory:
  rate_per_minute: { session: 0, conversation: 0, context: 0, chat: 0, analytics: 0, total: 0 }
providers:
  llms: { provider_name: openai-compatible, base_url: '${upstream}', model: ${MODEL} }
`

/** A session in which something was said; its token. */
async function rememberingSession(node: string, turns: number): Promise<string> {
  const { token, session_id } = (await post(`${node}/api/v2/sessions`, {})) as SessionCreated
  const headers = { Authorization: `Bearer ${token}` }
  const { conversation_id: id } = (await post(
    `${node}/api/v2/conversations`,
    { session_id, directive: 'Talk about recursion' },
    headers,
  )) as { conversation_id: string }
  for (let n = 1; n < turns; n++) {
    const content = `Step ${n} of a recursive function calls it again with a smaller number, until ${n % 7} is left.`
    await post(
      `${node}/api/v2/conversations/${id}/turns`,
      { agent: n % 2 === 0 ? 'user' : 'assistant', content },
      headers,
    )
  }
  return token
}

/** Every question is another one: what was asked before is not looked up again. */
let asked = 0

/** Milliseconds of one completion, asked for whole at the node and read to its end at the service. */
async function complete(url: string, headers: Record<string, string>): Promise<number> {
  const since = performance.now()
  const messages = [{ role: 'user', content: `What does a recursive function do when ${++asked} are left?` }]
  await sent(url, { model: MODEL, messages }, headers)
  return performance.now() - since
}

const post = async (url: string, body: object, headers: Record<string, string> = {}): Promise<unknown> =>
  JSON.parse(await sent(url, body, headers))

async function sent(url: string, body: object, headers: Record<string, string>): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${url} answers ${response.status}: ${text.slice(0, 300)}`)
  return text
}
