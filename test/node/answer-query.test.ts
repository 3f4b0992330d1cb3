import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { describe, type TestContext, test } from 'node:test'
import type { QueryPayload } from '../../protocol/assurance.ts'
import { ProviderError } from '../../src/kernel/base/errors.ts'
import { sha256Hex } from '../../src/kernel/base/hash.ts'
import type { PublisherKeys } from '../../src/kernel/identity/manifest-signer.ts'
import type { Llm } from '../../src/kernel/plugins/packages/llms.ts'
import { quoted } from '../../src/kernel/text/sentences.ts'
import type { RunningNode } from '../../src/node/node.ts'
import { newPublisher } from '../support/cells.ts'
import { type ConstraintTerms, signedConstraint } from '../support/constraints.ts'
import { OPERATOR, prose, registerDocument, type TestDocument } from '../support/documents.ts'
import { fakeLlm } from '../support/llms.ts'
import { download, nextEvent, nodeInProcess } from '../support/node-pairs.ts'

const ADMIN = { owner: null, by: 'admin' }
const LEASE = `# Lease

## Termination

Either party may end this lease with three months' notice. Notice has to be given in writing.
The deposit is returned within thirty days after the end of the lease.

## Repairs

The landlord pays for repairs of the roof. Small repairs, up to 100 euros, are paid by the tenant.
`

const POLICY = `Data protection policy.

Personal data are erased after two years. A data subject may ask for a copy of its data at any time.
Requests are answered within one month.
`

const ask = (
  node: RunningNode,
  query: string,
  context: Partial<QueryPayload['context']> = {},
  mode: QueryPayload['verification_mode'] = 'standard',
) =>
  node.answerer.answer(
    OPERATOR,
    { query, context: { domain: 'legal', ...context }, verification_mode: mode },
    { signal: AbortSignal.timeout(60_000) },
  )

/** A node with an approved publisher's documents. */
async function library(
  t: TestContext,
  documents: readonly TestDocument[] = [
    { cellType: 'lease', text: LEASE },
    { cellType: 'policy', text: POLICY },
  ],
  publisher: PublisherKeys = newPublisher(),
  llm?: Llm,
): Promise<{ node: RunningNode; publisher: PublisherKeys }> {
  const { node } = await nodeInProcess(t, llm === undefined ? {} : { llm })
  await node.sources.approve({ domain: 'legal', publisher: publisher.publisher }, 'admin')
  for (const document of documents) await registerDocument(node, publisher, document)
  return { node, publisher }
}

const hasCode =
  (code: string) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof ProviderError, String(error))
    const [first] = error.details.errors as { code: string }[]
    assert.equal(first?.code, code, error.message)
    return true
  }

test('an answer is whole sentences of approved documents, each with the bytes where it stands', async (t) => {
  const { node, publisher } = await library(t)
  const { status, payload, errors, steps } = await ask(node, 'How much notice ends the lease?')
  assert.deepEqual(errors, [])
  assert.equal(status, 'success')
  assert.equal(payload.verification_status, 'verified')
  assert.match(payload.result, /^Either party may end this lease with three months' notice\./)
  assert.equal(payload.corpus.cells, 2)
  assert.equal(payload.metadata.model_version, 'extractive/1')
  assert.ok(payload.confidence > 0.5 && payload.confidence <= 1, String(payload.confidence))
  assert.deepEqual(
    payload.result.split('\n'),
    payload.citations.map(({ result_start, result_end }) => payload.result.slice(result_start, result_end)),
  )
  for (const cited of payload.citations) {
    assert.equal(cited.publisher, publisher.publisher)
    const bytes = await download(node, cited.digest)
    const text = new TextDecoder().decode(bytes.subarray(cited.start, cited.end))
    assert.equal(quoted(text), payload.result.slice(cited.result_start, cited.result_end))
  }
  assert.deepEqual(
    steps.map(({ step }) => step),
    ['normalize', 'constraint', 'retrieve', 'compose', 'verify', 'envelope'],
  )
})

test('two nodes with the same documents, registered in another order, give the same bytes, in every mode', async (t) => {
  const publisher = newPublisher()
  const documents = prose(60).map(({ text }, at) => ({ cellType: `text-${at}`, text }))
  const [{ node: one }, { node: other }] = [
    await library(t, documents, publisher),
    await library(t, documents.toReversed(), publisher),
  ]
  // Another publisher's documents change nothing.
  await registerDocument(other, newPublisher(), { cellType: 'noise', text: LEASE })
  const questions = [
    'Which warranties are given with the software?',
    'May copies be redistributed in binary form?',
    'How is the package installed with npm?',
    'What is a derivative work?',
    'liability for damages',
  ]
  for (const question of questions) {
    for (const mode of ['standard', 'strict', 'audit'] as const) {
      const [first, second] = await Promise.all([ask(one, question, {}, mode), ask(other, question, {}, mode)])
      assert.equal(JSON.stringify(first), JSON.stringify(second))
      assert.ok(first.payload.citations.length > 0, question)
      for (const { digest, start, end } of first.payload.citations) {
        const source = documents.find(({ text }) => text.length > 0 && `sha256:${sha256Hex(text)}` === digest)!
        assert.ok(quoted(Buffer.from(source.text).subarray(start, end).toString()).length > 0)
      }
    }
  }
})

test('a node that starts again answers as before, and without its index makes it anew', async (t) => {
  const publisher = newPublisher()
  const first = await nodeInProcess(t)
  await first.node.sources.approve({ domain: 'legal', publisher: publisher.publisher }, 'admin')
  await registerDocument(first.node, publisher, { cellType: 'lease', text: LEASE })
  const before = await ask(first.node, 'Who pays for repairs of the roof?')
  assert.match(before.payload.result, /landlord/)
  await first.stop()
  const second = await nodeInProcess(t, { dataDir: first.dataDir })
  assert.deepEqual(await ask(second.node, 'Who pays for repairs of the roof?'), before)
  await second.stop()
  rmSync(`${first.dataDir}/text`, { recursive: true })
  const third = await nodeInProcess(t, { dataDir: first.dataDir })
  assert.deepEqual(await ask(third.node, 'Who pays for repairs of the roof?'), before)
})

test('a node that keeps copies of a publisher answers from them as the node that has the documents', async (t) => {
  const { node: origin, publisher } = await library(t, [])
  const follow = [{ publisher: publisher.publisher, max_bytes: 1_000_000 }]
  const { node: copy } = await nodeInProcess(t, { seeds: origin.addresses, follow })
  await copy.sources.approve({ domain: 'legal', publisher: publisher.publisher }, 'admin')
  for (const [cellType, text] of [
    ['lease', LEASE],
    ['policy', POLICY],
  ] as const) {
    const cached = nextEvent(copy, 'cell_cached')
    await registerDocument(origin, publisher, { cellType, text })
    await cached
  }
  const question = 'How much notice ends the lease?'
  const answered = await ask(copy, question, {}, 'strict')
  assert.equal(answered.payload.corpus.cells, 2)
  assert.deepEqual(answered, await ask(origin, question, {}, 'strict'))
})

describe('what an answer rests on', () => {
  test('is nobody who was not approved, and nobody any more whose approval was taken back', async (t) => {
    const { node, publisher } = await library(t)
    assert.equal((await ask(node, 'notice of the lease', { domain: 'finance' })).errors[0]?.code, '404')
    await node.sources.disapprove({ domain: 'legal', publisher: publisher.publisher }, 'admin')
    const { status, payload, errors } = await ask(node, 'notice of the lease')
    assert.deepEqual([status, payload.verification_status, payload.result], ['partial', 'warning', ''])
    assert.equal(payload.corpus.cells, 0)
    assert.equal(errors[0]?.code, '404')
  })

  test('is the newest version, and the one before it when that is yanked', async (t) => {
    const { node, publisher } = await library(t)
    const newer = LEASE.replace('three months', 'six months')
    await registerDocument(node, publisher, { cellType: 'lease', text: newer, version: '1.1.0' })
    assert.match((await ask(node, 'How much notice ends the lease?')).payload.result, /six months/)
    await node.yankCell({
      cellType: 'lease',
      version: '1.1.0',
      reason: 'broken',
      undo: false,
      credential: 'admin',
      isAdmin: true,
    })
    const { payload } = await ask(node, 'How much notice ends the lease?')
    assert.match(payload.result, /three months/)
    assert.ok(payload.citations.every(({ version }) => version === '1.0.0'))
  })

  test('is for the jurisdiction of the question, or for every one; with neither that is 603', async (t) => {
    const { node, publisher } = await library(t, [
      { cellType: 'lease', text: LEASE, jurisdiction: 'EU' },
      { cellType: 'policy', text: POLICY, jurisdiction: 'US-CA' },
    ])
    assert.equal((await ask(node, 'the lease', { jurisdiction: 'EU' })).payload.corpus.cells, 1)
    assert.equal((await ask(node, 'the lease')).payload.corpus.cells, 2)
    await assert.rejects(ask(node, 'the lease', { jurisdiction: 'JP' }), hasCode('603'))
    await node.sources.approve({ domain: 'legal', publisher: publisher.publisher, jurisdictions: ['US-CA'] }, 'admin')
    await assert.rejects(ask(node, 'the lease', { jurisdiction: 'EU' }), hasCode('603'))
    assert.equal((await ask(node, 'personal data')).payload.corpus.cells, 1)
  })

  test('is text: neither JSON nor what is no document', async (t) => {
    const { node } = await library(t, [
      { cellType: 'lease', text: LEASE },
      { cellType: 'data', text: '{"notice":"The lease ends with notice of a day."}', mediaType: 'application/json' },
    ])
    assert.equal((await ask(node, 'notice of the lease')).payload.corpus.cells, 1)
  })
})

describe('constraints of a question', () => {
  const QUESTION = 'How much notice ends the lease?'
  const rows: [name: string, terms: ConstraintTerms, query: string, context: object, expected: string][] = [
    [
      'required_pattern',
      { kind: 'required_pattern', parameters: { pattern: 'months', target: 'result' } },
      QUESTION,
      {},
      'passed',
    ],
    [
      'required_pattern',
      { kind: 'required_pattern', parameters: { pattern: 'decades', target: 'result' } },
      QUESTION,
      {},
      '600',
    ],
    [
      'forbidden_pattern',
      { kind: 'forbidden_pattern', parameters: { pattern: 'NOTICE', target: 'query', case_insensitive: true } },
      QUESTION,
      {},
      '600',
    ],
    [
      'forbidden_pattern',
      { kind: 'forbidden_pattern', parameters: { pattern: 'NOTICE', target: 'query' } },
      QUESTION,
      {},
      'passed',
    ],
    ['required_citation', { kind: 'required_citation', parameters: { cell_type: 'lease' } }, QUESTION, {}, 'passed'],
    ['required_citation', { kind: 'required_citation', parameters: { minimum: 5 } }, QUESTION, {}, '600'],
    [
      'jurisdiction_match',
      { kind: 'jurisdiction_match', parameters: { jurisdictions: ['EU'] } },
      QUESTION,
      { jurisdiction: 'EU' },
      'passed',
    ],
    [
      'jurisdiction_match',
      { kind: 'jurisdiction_match', parameters: { jurisdictions: ['EU'] } },
      QUESTION,
      { jurisdiction: 'US' },
      '603',
    ],
    ['jurisdiction_match', { kind: 'jurisdiction_match', parameters: { jurisdictions: ['EU'] } }, QUESTION, {}, '603'],
    ['maximum_length', { kind: 'maximum_length', parameters: { characters: 60 } }, QUESTION, {}, 'passed'],
    [
      'json_schema',
      { kind: 'json_schema', parameters: { schema: { type: 'object', required: ['q'] } } },
      '{"q":"notice of the lease"}',
      {},
      'passed',
    ],
    [
      'json_schema',
      { kind: 'json_schema', parameters: { schema: { type: 'object', required: ['q'] } } },
      QUESTION,
      {},
      '600',
    ],
    [
      'allowed_sources',
      { kind: 'allowed_sources', parameters: { cells: [`${'f'.repeat(64)}/lease`] } },
      QUESTION,
      {},
      'nothing',
    ],
  ]
  test('hold or fail, and the lists say which', async (t) => {
    const { node } = await library(t)
    for (const [at, [kind, terms, query, context, expected]] of rows.entries()) {
      const id = `c${at}`
      await node.sources.addConstraint({ constraint: signedConstraint(id, terms) }, ADMIN)
      const what = `${kind} ${JSON.stringify(terms.parameters)}`
      const asked = ask(node, query, { constraints: [id], ...context })
      if (expected === '603') {
        await assert.rejects(asked, hasCode('603'), what)
        continue
      }
      const { status, payload, errors } = await asked
      if (expected === 'passed') {
        assert.deepEqual([payload.constraints_passed, payload.constraints_failed], [[id], []], what)
        assert.ok(payload.citations.length > 0, what)
      } else if (expected === '600') {
        assert.deepEqual([payload.constraints_passed, payload.constraints_failed], [[], [id]], what)
        assert.deepEqual([status, payload.verification_status, payload.result], ['failed', 'rejected', ''], what)
        assert.deepEqual(
          errors.map(({ code }) => code),
          ['600'],
          what,
        )
      } else assert.equal(payload.corpus.cells, 0, what)
    }
  })

  test('are the operator’s own before everybody’s, and 422 where there is none', async (t) => {
    const { node } = await library(t)
    const pattern = (text: string): ConstraintTerms => ({
      kind: 'required_pattern',
      parameters: { pattern: text, target: 'result' },
    })
    await node.sources.addConstraint({ constraint: signedConstraint('words', pattern('months')) }, ADMIN)
    await node.sources.addConstraint(
      { constraint: signedConstraint('words', pattern('decades')), operator_id: OPERATOR.operator_id },
      ADMIN,
    )
    assert.deepEqual((await ask(node, QUESTION, { constraints: ['words'] })).payload.constraints_failed, ['words'])
    await node.sources.removeConstraint('words', { operator_id: OPERATOR.operator_id }, ADMIN)
    assert.deepEqual((await ask(node, QUESTION, { constraints: ['words'] })).payload.constraints_passed, ['words'])
    await node.sources.removeConstraint('words', {}, ADMIN)
    await assert.rejects(ask(node, QUESTION, { constraints: ['words'] }), hasCode('422'))
  })
})

test('a question whose constraints would take too long is 422 at once', async (t) => {
  const { node } = await library(t)
  const ids = Array.from({ length: 3 }, (_, at) => `long-${at}`)
  for (const id of ids) {
    const terms: ConstraintTerms = {
      kind: 'forbidden_pattern',
      parameters: { pattern: '[ab]*a[ab]{180}c', target: 'query' },
    }
    await node.sources.addConstraint({ constraint: signedConstraint(id, terms) }, ADMIN)
  }
  await assert.rejects(ask(node, `c${'ab'.repeat(4000)}`, { constraints: ids }), hasCode('422'))
  assert.deepEqual((await ask(node, 'notice', { constraints: ids })).payload.constraints_passed, ids)
})

test('a question without words is 422', async (t) => {
  const { node } = await library(t)
  await assert.rejects(ask(node, '?! …'), hasCode('422'))
})

test('what an administrator approves is in the node’s log', async (t) => {
  const { node, publisher } = await library(t)
  await node.sources.disapprove({ domain: 'legal', publisher: publisher.publisher }, 'admin')
  const acts = (await node.audit({})).entries.map(({ act }) => act)
  assert.deepEqual(acts, ['source_disapproved', 'source_approved'])
  await assert.rejects(
    node.sources.disapprove({ domain: 'legal', publisher: publisher.publisher }, 'admin'),
    (error) => error instanceof ProviderError && error.status === 404,
  )
})

describe('with another composer', () => {
  const NOTICE = "Either party may end this lease with three months' notice."
  /** Says the same always; `asked` is how often. */
  const saying = (draft: string) =>
    fakeLlm({
      asked: 0,
      async compose() {
        this.asked++
        return draft
      },
    })
  const answered = async (t: TestContext, llm: Llm, mode?: QueryPayload['verification_mode']) => {
    const { node } = await library(t, undefined, undefined, llm)
    return ask(node, 'How much notice ends the lease?', {}, mode)
  }

  test('a draft of sentences of the sources is an answer', async (t) => {
    const { status, payload } = await answered(t, saying(`${NOTICE} Notice has to be given in writing.`))
    assert.deepEqual([status, payload.verification_status], ['success', 'verified'])
    assert.equal(payload.result, `${NOTICE}\nNotice has to be given in writing.`)
    assert.equal(payload.metadata.model_version, 'test/1')
  })

  test('what stands in no source is left out, with a warning', async (t) => {
    const { status, payload, errors } = await answered(t, saying(`${NOTICE}\nThe tenant may also leave at once.`))
    assert.deepEqual([status, payload.verification_status, payload.result], ['partial', 'warning', NOTICE])
    assert.deepEqual(
      errors.map(({ code, severity }) => [code, severity]),
      [['601', 'warning']],
    )
  })

  test('a draft that stands in no source is rejected', async (t) => {
    const { status, payload, errors } = await answered(t, saying('The tenant may leave at once.'))
    assert.deepEqual([status, payload.verification_status, payload.result], ['failed', 'rejected', ''])
    assert.deepEqual(payload.citations, [])
    assert.equal(errors[0]?.code, '601')
  })

  test('it is asked once, also where the answer is given twice', async (t) => {
    const llm = saying(NOTICE)
    const { payload } = await answered(t, llm, 'strict')
    assert.equal(payload.result, NOTICE)
    assert.equal(llm.asked, 1)
  })

  test('one that fails is 503', async (t) => {
    const llm = fakeLlm({ compose: () => Promise.reject(new Error('away')) })
    await assert.rejects(answered(t, llm), hasCode('503'))
  })
})
