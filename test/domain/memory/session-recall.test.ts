import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { ContextSearch } from '../../../protocol/memory.ts'
import { TextsInMemory } from '../../../scripts/recall/texts-in-memory.ts'
import type { MemoryText } from '../../../src/domain/memory/recall.ts'
import { SessionRecall, type SessionRecallOptions } from '../../../src/domain/memory/session-recall.ts'
import { ProviderError } from '../../../src/kernel/base/errors.ts'
import type { Embeddings } from '../../../src/kernel/plugins/packages/embeddings.ts'
import { createLogger } from '../../../src/kernel/telemetry/logger.ts'
import { createMetrics } from '../../../src/kernel/telemetry/metrics.ts'

const SESSION = `sess_${'1'.repeat(32)}`
const NOW = Date.parse('2026-05-01T12:00:00Z')
const SIGNAL = AbortSignal.timeout(60_000)
/** Words that mean the same have the same number. */
const MEANINGS = ['boat ship vessel', 'tree oak birch', 'rain storm']

/** Directions of texts without any of them. */
const OTHERS = 997

/** A model that counts words of each meaning. `fails` is asked before each batch. */
class CountedEmbeddings implements Embeddings {
  readonly model = 'counting/1'
  readonly dimensions = MEANINGS.length + OTHERS
  readonly unrelated = 0.1
  readonly embedded: string[] = []
  fails: (texts: readonly string[]) => boolean | Promise<boolean> = () => false

  async embed(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]> {
    signal.throwIfAborted()
    if (await this.fails(texts)) throw new Error('the model is away')
    this.embedded.push(...texts)
    return texts.map((text) => {
      const counts = MEANINGS.map((words) => words.split(' ').filter((word) => text.includes(word)).length)
      const others = new Array<number>(OTHERS).fill(0)
      others[[...text].reduce((sum, letter) => (31 * sum + letter.codePointAt(0)!) % OTHERS, 0)] = 0.01
      const values = [...counts, ...others]
      return Float32Array.from(values, (value) => value / Math.hypot(...values))
    })
  }

  async close(): Promise<void> {}
}

const conversation = (number: number): string => `conv_${String(number).padStart(32, '0')}`
const turn = (number: number, turnNumber: number, text: string, more: Partial<MemoryText> = {}): MemoryText => ({
  key: `${conversation(number)}!${turnNumber}`,
  conversationId: conversation(number),
  turnNumber,
  agent: 'sam',
  at: NOW - 3_600_000,
  text,
  ...more,
})

function open(t: TestContext, texts: readonly MemoryText[] = [], more: Partial<SessionRecallOptions> = {}) {
  const store = (more.texts as TextsInMemory | undefined) ?? new TextsInMemory()
  store.add(SESSION, texts)
  const embeddings = new CountedEmbeddings()
  const metrics = createMetrics()
  const recall = new SessionRecall({
    texts: store,
    embeddings,
    indexBytes: 10_000_000,
    clock: { now: () => NOW },
    logger: createLogger({ level: 'silent' }),
    metrics,
    pauseMs: 1,
    ...more,
  })
  t.after(() => recall.close())
  return {
    store,
    embeddings,
    metrics,
    recall,
    search: (query: string, rest: Partial<ContextSearch> = {}) => recall.search(SESSION, { query, ...rest }, SIGNAL),
    async found(query: string, rest: Partial<ContextSearch> = {}): Promise<string[]> {
      const { matches } = await recall.search(SESSION, { query, ...rest }, SIGNAL)
      return matches.map(({ conversation_id, turn_id }) => `${Number(conversation_id.slice(5))}/${turn_id}`)
    },
  }
}

describe('a search in a session', () => {
  it('finds what was said by its words, with what it was about', async (t) => {
    const { search } = open(t, [
      turn(1, 1, 'Our plan for the harbour'),
      turn(1, 2, 'The dinghy needs a new sail.', { agent: 'ada' }),
      turn(2, 1, 'Something else'),
    ])
    const { matches, total } = await search('sails of the dinghy')
    assert.equal(total, 1)
    const [{ relevance_score, ...match } = assert.fail()] = matches
    assert.deepEqual(match, {
      conversation_id: conversation(1),
      turn_id: 'turn_002',
      agent: 'ada',
      snippet: 'The dinghy needs a new sail.',
      context: 'Our plan for the harbour',
      timestamp: '2026-05-01T11:00:00.000Z',
    })
    assert.ok(relevance_score > 0 && relevance_score <= 1)
  })

  it('finds summaries, which are no turn', async (t) => {
    const summary = turn(1, 0, 'They spoke of the dinghy.', {
      key: `${conversation(1)}!summary`,
      turnNumber: null,
      agent: null,
    })
    const { search } = open(t, [turn(1, 1, 'Hello'), summary])
    const { matches } = await search('dinghy')
    assert.deepEqual(
      matches.map(({ turn_id, agent, context }) => [turn_id, agent, context]),
      [[null, null, 'Hello']],
    )
  })

  it('finds by meaning once the meanings are computed, which are kept and not computed again', async (t) => {
    const first = open(t, [turn(1, 1, 'an old vessel'), turn(2, 1, 'a birch')])
    const search = Promise.withResolvers<boolean>()
    first.embeddings.fails = (texts) => texts[0] !== 'ship' && search.promise
    assert.deepEqual(await first.found('ship'), [])
    search.resolve(false)
    await first.recall.idle()
    assert.deepEqual(await first.found('ship'), ['1/turn_001'])
    await first.recall.close()
    const again = open(t, [turn(3, 1, 'a boat')], { texts: first.store })
    await again.found('ship')
    await again.recall.idle()
    assert.deepEqual(await again.found('ship'), ['1/turn_001', '3/turn_001'].toSorted())
    assert.deepEqual(
      again.embeddings.embedded.filter((text) => text !== 'ship'),
      ['a boat'],
    )
  })

  it('asks the model once for what is searched for and then said', async (t) => {
    const { store, embeddings, recall, search, found } = open(t)
    await search('a vessel in the rain')
    await search('a vessel in the rain')
    const said = turn(1, 1, 'a vessel in the rain')
    store.add(SESSION, [said])
    recall.added(SESSION, [said])
    await recall.idle()
    assert.deepEqual(embeddings.embedded, ['a vessel in the rain'])
    assert.deepEqual(await found('ship'), ['1/turn_001'])
  })

  it('finds at once what was just added', async (t) => {
    const { store, recall, found } = open(t, [turn(1, 1, 'an oak')])
    assert.deepEqual(await found('oak'), ['1/turn_001'])
    store.add(SESSION, [turn(1, 2, 'oak again')])
    recall.added(SESSION, [turn(1, 2, 'oak again')])
    assert.equal((await found('oak')).length, 2)
  })

  it('heeds time, agent, conversation, threshold and number', async (t) => {
    const { found } = open(t, [
      turn(1, 1, 'oak', { at: NOW - 7_200_000 }),
      turn(1, 2, 'oak', { agent: 'ada' }),
      turn(2, 1, 'oak'),
      turn(3, 1, 'an oak with a very long story that is about many other things as well'),
    ])
    assert.deepEqual(await found('oak', { time_range: { end: '2026-05-01T10:30:00Z' } }), ['1/turn_001'])
    assert.deepEqual(await found('oak', { agent: 'ada' }), ['1/turn_002'])
    assert.deepEqual(await found('oak', { conversation_id: conversation(2) }), ['2/turn_001'])
    assert.equal((await found('oak', { max_results: 1 })).length, 1)
    assert.ok(!(await found('oak', { relevance_threshold: 0.8 })).includes('3/turn_001'))
  })

  it('of operators, quotes, emoji, ideographs or 4,096 characters fails nothing', async (t) => {
    const { found } = open(t, [turn(1, 1, 'oak AND 東京 🙂')])
    for (const odd of ['AND OR NOT', '"oak', '🙂', '東京', 'oak '.repeat(1024), '(((']) await found(odd)
    assert.deepEqual(await found('"oak" NOT (東京'), ['1/turn_001'])
  })

  it('gives up for who has given up, before and while the session is read', async (t) => {
    const { recall, store } = open(t, [turn(1, 1, 'oak')])
    await assert.rejects(recall.search(SESSION, { query: 'oak' }, AbortSignal.abort(new Error('given up'))), /given up/)
    const reading = new AbortController()
    const texts = store.texts.bind(store)
    store.texts = async function* (id) {
      reading.abort(new Error('given up meanwhile'))
      yield* texts(id)
    }
    await assert.rejects(recall.search(SESSION, { query: 'oak' }, reading.signal), /given up meanwhile/)
    assert.equal((await recall.search(SESSION, { query: 'oak' }, SIGNAL)).total, 1)
  })

  it('that cannot be made says so, and works again when it can', async (t) => {
    const { store, search } = open(t, [turn(1, 1, 'oak')])
    const texts = store.texts.bind(store)
    store.texts = () => {
      throw new Error('the store is damaged')
    }
    await assert.rejects(search('oak'), (error) => {
      assert.ok(error instanceof ProviderError)
      assert.equal((error.details as { memory: { code: string } }).memory.code, 'CONTEXT_RETRIEVAL_FAILED')
      assert.doesNotMatch(error.message, /oak/)
      return true
    })
    store.texts = texts
    assert.equal((await search('oak')).total, 1)
  })
})

describe('a model that is away', () => {
  it('fails no search, is counted, and is asked again', async (t) => {
    const { embeddings, metrics, recall, found } = open(t, [turn(1, 1, 'an old vessel'), turn(2, 1, 'a birch')])
    let isAway = true
    let failures = 0
    embeddings.fails = () => {
      if (isAway) failures++
      return isAway
    }
    assert.deepEqual(await found('vessels'), ['1/turn_001'])
    isAway = false
    await recall.idle()
    assert.deepEqual(await found('ship'), ['1/turn_001'])
    assert.match(await metrics.text(), new RegExp(`cytoplex_memory_embedding_failures_total ${failures}`))
    assert.ok(failures > 0)
  })

  it('for good leaves a text alone after three times', async (t) => {
    const { embeddings, recall, store } = open(t)
    let asked = 0
    embeddings.fails = (texts) => {
      asked++
      return texts.includes('poison')
    }
    store.add(SESSION, [turn(1, 1, 'poison'), turn(1, 2, 'boat')])
    recall.added(SESSION, [turn(1, 1, 'poison')])
    recall.added(SESSION, [turn(1, 2, 'boat')])
    await recall.idle()
    assert.ok(asked <= 6, `${asked} times`)
  })
})

describe('what is gone', () => {
  it('is not found any more: texts, conversations, sessions', async (t) => {
    const { store, recall, found } = open(t, [turn(1, 1, 'oak'), turn(1, 2, 'oak'), turn(2, 1, 'oak')])
    assert.equal((await found('oak')).length, 3)
    for (const [gone, left] of [
      [`${conversation(1)}!2`, 2],
      [conversation(1), 1],
    ] as const) {
      store.remove(SESSION, [gone])
      recall.removed(SESSION, [gone])
      assert.equal((await found('oak')).length, left)
    }
    store.forget(SESSION)
    recall.forget(SESSION)
    assert.deepEqual(await found('oak'), [])
  })

  it('while its session is read does not come back, though it was read before', async (t) => {
    const { store, recall, search } = open(t, [turn(1, 1, 'oak one'), turn(2, 1, 'oak two'), turn(3, 1, 'oak three')])
    const texts = store.texts.bind(store)
    store.texts = async function* (id) {
      const all = await Array.fromAsync(texts(id))
      const gone = [`${conversation(1)}!1`, conversation(2)]
      store.remove(SESSION, gone)
      recall.removed(SESSION, gone)
      yield* all
    }
    const { matches, total } = await search('oak')
    assert.deepEqual([matches.map(({ conversation_id }) => conversation_id), total], [[conversation(3)], 1])
  })

  it('after it was read, but before the index is whole, does not come back', async (t) => {
    const { store, recall, search } = open(t, [turn(1, 1, 'oak one'), turn(2, 1, 'oak two')])
    const vectors = store.vectors.bind(store)
    store.vectors = (id, model) => {
      store.remove(SESSION, [conversation(1)])
      recall.removed(SESSION, [conversation(1)])
      return vectors(id, model)
    }
    assert.equal((await search('oak')).total, 1)
  })

  it('with the whole session while it is read is not found', async (t) => {
    const { store, recall, found } = open(t, [turn(1, 1, 'oak')])
    const texts = store.texts.bind(store)
    store.texts = async function* (id) {
      const all = await Array.fromAsync(texts(id))
      store.texts = texts
      store.forget(SESSION)
      recall.forget(SESSION)
      yield* all
    }
    assert.deepEqual(await found('oak'), [])
  })

  it('while its meaning is computed keeps no vector', async (t) => {
    const { store, recall, embeddings } = open(t, [turn(1, 1, 'oak'), turn(1, 2, 'birch')])
    embeddings.fails = () => {
      store.remove(SESSION, [`${conversation(1)}!1`])
      store.add(SESSION, [turn(1, 2, 'rain')])
      return false
    }
    recall.added(SESSION, [turn(1, 1, 'oak'), turn(1, 2, 'birch')])
    await recall.idle()
    assert.deepEqual(await Array.fromAsync(store.vectors(SESSION, embeddings.model)), [])
  })

  it('from the index for want of room is read again', async (t) => {
    const { store, recall } = open(t, [], { indexBytes: 1 })
    const sessions = ['2', '3', '4'].map((digit) => `sess_${digit.repeat(32)}`)
    for (const id of sessions) store.add(id, [turn(1, 1, `oak of ${id}`)])
    for (const id of [...sessions, ...sessions]) {
      const { matches } = await recall.search(id, { query: 'oak' }, SIGNAL)
      assert.deepEqual(
        matches.map(({ snippet }) => snippet),
        [`oak of ${id}`],
      )
    }
  })
})

describe('what is said while its session is read', () => {
  it('is found, in its newest form', async (t) => {
    const { store, recall, found } = open(t, [turn(1, 1, 'oak'), turn(1, 2, 'lamp')])
    const texts = store.texts.bind(store)
    store.texts = async function* (id) {
      const all = await Array.fromAsync(texts(id))
      const said = [turn(1, 2, 'storm'), turn(1, 3, 'storm too')]
      store.add(SESSION, said)
      recall.added(SESSION, said)
      yield* all
    }
    assert.deepEqual((await found('storm')).toSorted(), ['1/turn_002', '1/turn_003'])
    assert.deepEqual(await found('lamp'), [])
  })
})
