import { strict as assert } from 'node:assert'
import { randomInt } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { sessionKeys } from '../../src/domain/memory/session-records.ts'
import { Store } from '../../src/kernel/storage/store.ts'
import { nodeProcess, temporaryFolder } from '../support/processes.ts'

/** 3 in the gate, 30 in `npm run test:long`. */
const ROUNDS = process.env.LONG_TESTS ? 30 : 3
const WRITERS = 8
/** Milliseconds into a burst within which the node is killed. */
const KILL_WITHIN_MS = 300

/** What limits the tests would meet otherwise. */
const UNLIMITED = `
http:
  rate_per_minute: { anonymous: 0, reader: 0, publisher: 0, admin: 0 }
memory:
  rate_per_minute: { session: 0, conversation: 0, context: 0, chat: 0, analytics: 0, total: 0 }
`

async function configured(folder: string): Promise<readonly string[]> {
  const path = join(folder, 'config.yaml')
  await writeFile(path, UNLIMITED)
  return ['--config', path, '--log-level', 'trace']
}

/** Calls of who holds the token of a session. */
const callsAt =
  (token: string | undefined) =>
  async (base: string, method: string, path: string, body?: unknown): Promise<Response> =>
    fetch(`${base}/api/v2${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })

async function newSession(base: string): Promise<{ id: string; call: ReturnType<typeof callsAt> }> {
  const made = (await (await callsAt(undefined)(base, 'POST', '/sessions', {})).json()) as Record<string, string>
  return { id: made.session_id!, call: callsAt(made.token) }
}

/** Everything in the files under a folder. */
async function contentOf(folder: string): Promise<Buffer> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  return Buffer.concat(await Promise.all(files.map(({ parentPath, name }) => readFile(join(parentPath, name)))))
}

test(`kill -9 while turns are added, ${ROUNDS} times: what was acknowledged is there, numbers have no gaps, nothing is half`, async (t) => {
  const folder = await temporaryFolder(t)
  const dataDir = join(folder, 'node')
  const args = await configured(folder)
  const acknowledged = new Map<number, string>()
  let conversation = ''
  let session: Awaited<ReturnType<typeof newSession>> | undefined
  for (let round = 0; round < ROUNDS; round++) {
    const node = await nodeProcess(t, { dataDir, args })
    session ??= await newSession(node.http_url)
    const { id, call } = session
    if (conversation === '') {
      const start = { session_id: id, directive: 'the directive' }
      const started = (await (await call(node.http_url, 'POST', '/conversations', start)).json()) as Record<
        string,
        string
      >
      conversation = started.conversation_id!
    }
    let killed = false
    let count = 0
    const writer = async (name: number): Promise<void> => {
      while (!killed) {
        const turn = { agent: `writer-${name}`, content: `round ${round}, turn ${count++} of all` }
        // Whose node is killed sees a broken connection: that turn was not acknowledged.
        const answer = await call(node.http_url, 'POST', `/conversations/${conversation}/turns`, turn)
          .then(async (response) => ({ status: response.status, body: await response.json() }))
          .catch(() => undefined)
        if (answer?.status === 201) {
          acknowledged.set((answer.body as { turn_number: number }).turn_number, turn.content)
        } else if (!killed && answer !== undefined) assert.fail(JSON.stringify(answer))
      }
    }
    const before = acknowledged.size
    const writers = Array.from({ length: WRITERS }, (_, name) => writer(name))
    while (acknowledged.size === before) await new Promise((again) => setImmediate(again))
    await new Promise((kill) => setTimeout(kill, randomInt(KILL_WITHIN_MS)))
    const exited = node.stop('SIGKILL')
    killed = true
    await exited
    await Promise.all(writers)
  }

  const node = await nodeProcess(t, { dataDir, args })
  const { id, call } = session!
  const numbers: number[] = []
  const contents = new Map<number, string>()
  let total = 0
  for (let after: number | null = 0; after !== null; ) {
    const path = `/conversations/${conversation}?limit=500&after=${after}`
    const page = (await (await call(node.http_url, 'GET', path)).json()) as {
      turns: { turn_number: number; content: string }[]
      next: number | null
      total_turns: number
    }
    for (const { turn_number, content } of page.turns) {
      numbers.push(turn_number)
      contents.set(turn_number, content)
    }
    total = page.total_turns
    after = page.next
  }
  assert.deepEqual(
    numbers,
    Array.from({ length: total }, (_, i) => i + 1),
  )
  for (const [number, content] of acknowledged) assert.equal(contents.get(number), content)
  const details = (await (await call(node.http_url, 'GET', `/sessions/${id}`)).json()) as Record<string, number>
  assert.equal(details.total_turns, total)
  assert.equal(await node.stop(), 0)
  t.diagnostic(`${acknowledged.size} turns acknowledged, ${total} found, ${ROUNDS} kills`)
})

test('nothing that was said is in the data directory or the log of a node, and nothing is left of a deleted session', async (t) => {
  const folder = await temporaryFolder(t)
  const dataDir = join(folder, 'node')
  const args = await configured(folder)
  const node = await nodeProcess(t, { dataDir, args })
  const base = node.http_url
  const { id, call } = await newSession(base)
  const start = { session_id: id, directive: 'plantedDirective' }
  const { conversation_id } = (await (await call(base, 'POST', '/conversations', start)).json()) as Record<
    string,
    string
  >
  const said = { agent: 'planted_agent', content: 'plantedTurn', metadata: { plantedName: 'plantedValue' } }
  const results = [
    await call(base, 'POST', `/conversations/${conversation_id}/turns`, said),
    await call(base, 'PUT', `/sessions/${id}/context/summary`, {
      summary: 'plantedSummary',
      key_topics: ['plantedTopic'],
    }),
    await call(base, 'PUT', `/sessions/${id}/agents/planted_name/state`, { state_updates: { plantedField: 1 } }),
    await call(base, 'POST', `/sessions/${id}/context/search`, { query: 'plantedQuery' }),
    await call(base, 'POST', `/conversations/${conversation_id}/complete`),
  ]
  for (const { ok, status, url } of results) assert.ok(ok, `${url}: ${status}`)
  // What is refused is not repeated either.
  const refused = { agent: 'planted agent', content: 'plantedRefusal', plantedUnknown: 1 }
  assert.equal((await call(base, 'POST', `/conversations/${conversation_id}/turns`, refused)).status, 400)
  assert.equal(await node.stop(), 0)

  const store = await Store.open(join(dataDir, 'store'), { createIfMissing: false })
  const wrapped = store.get(sessionKeys, id)!
  await store.close()
  const everything = async (): Promise<Buffer> =>
    Buffer.concat([await contentOf(dataDir), await readFile(`${dataDir}.log`)])
  const before = await everything()
  const piece = Buffer.from(wrapped.slice(10, 40))
  assert.ok(before.includes(piece), 'what is searched for could be found')
  assert.doesNotMatch(before.toString('latin1'), /planted/i)

  const again = await nodeProcess(t, { dataDir, args })
  assert.equal((await call(again.http_url, 'GET', `/sessions/${id}/context`)).status, 200)
  assert.equal((await call(again.http_url, 'DELETE', `/sessions/${id}`)).status, 204)
  assert.equal((await call(again.http_url, 'GET', `/sessions/${id}`)).status, 401)
  // While it runs: nothing waits for a clean stop.
  assert.ok(!(await contentOf(dataDir)).includes(piece))
  assert.equal(await again.stop('SIGKILL'), null)
  const last = await nodeProcess(t, { dataDir, args })
  assert.equal((await call(last.http_url, 'GET', `/sessions/${id}`)).status, 401)
  assert.ok(!(await contentOf(dataDir)).includes(piece))
})
