import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { RegistrationProof } from '../../protocol/cells.ts'
import type { EpochRecord } from '../../protocol/transparency.ts'
import { createClient, InconsistentLogError, IntegrityError, type SeenCheckpoint } from '../../src/client/index.ts'
import { utf8 } from '../../src/kernel/base/bytes.ts'
import { ed25519FromSeed, newSeed } from '../../src/kernel/identity/keys.ts'
import { cosign, withLines } from '../../src/kernel/log/cosignature.ts'
import { formatNoteKey, NOTE_KEY_TYPES, noteKey } from '../../src/kernel/log/note.ts'
import { loggingProvider, registered } from '../support/registration-proofs.ts'
import { fakeNode, newPublisher, sendCell, sendJson, signCell } from './fake-node.ts'

const cell = signCell(utf8('a package'), { keys: newPublisher(true) })
const leaf = registered(cell.answer.cell_id)
/** Index of the leaf that registers the cell. */
const AT = 2
const MAXIMUM = { capability: 'parse', preferences: { security_level: 'maximum' } } as const

/** A provider behind one node, whose log says what the test decides. */
async function provider(t: TestContext) {
  const log = loggingProvider('main')
  const state = { proof: log.prove(leaf, 5, AT), proves: true, epochs: [] as EpochRecord[] }
  const node = await fakeNode(t, (request, response) => {
    const url = new URL(request.path, 'http://node')
    const number = (name: string) => Number(url.searchParams.get(name))
    if (url.pathname === '/api/v1/log/epochs') {
      return sendJson(response, 200, {
        provider_id: log.providerId,
        epoch: 1 + state.epochs.length,
        epochs: state.epochs,
      })
    }
    if (url.pathname === '/api/v1/log/consistency') {
      assert.equal(url.searchParams.get('provider_id'), log.providerId)
      if (!state.proves) return sendJson(response, 404, { code: 'PROV_001', message: 'no' })
      return sendJson(response, 200, log.consistency(leaf, AT, number('from'), number('to')))
    }
    const metadata = { ...cell.answer.metadata, provider: log.providerId }
    return sendCell(request, response, { ...cell.answer, metadata, log: state.proof })
  })
  return { log, state, url: node.url, client: createClient({ nodes: node.url }) }
}

const inconsistent = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof InconsistentLogError, String(error))
  assert.equal(error.code, 'INCONSISTENT_LOG')
  assert.match(error.message, message)
  return true
}

describe('a client remembers what a log has said', () => {
  it('takes a later checkpoint that is proven to extend it, and an earlier one that it extends', async (t) => {
    const { log, state, client } = await provider(t)
    await client.request(MAXIMUM)
    state.proof = log.prove(leaf, 9, AT)
    await client.request(MAXIMUM)
    state.proof = log.prove(leaf, 4, AT)
    await client.request(MAXIMUM)
    await client.request(MAXIMUM)
  })

  it('refuses two histories of one size', async (t) => {
    const { log, state, client } = await provider(t)
    await client.request(MAXIMUM)
    const seen = state.proof.evidence.checkpoint
    state.proof = log.prove(leaf, 5, AT + 1)
    await assert.rejects(client.request(MAXIMUM), (error) => {
      inconsistent(/two histories of 5 leaves/)(error)
      const { seen: before, found } = error as InconsistentLogError
      assert.deepEqual([before.checkpoint, found.checkpoint], [seen, state.proof.evidence.checkpoint])
      return true
    })
  })

  it('refuses a later checkpoint that nobody proves, and one whose proof is another history', async (t) => {
    const { log, state, client } = await provider(t)
    await client.request(MAXIMUM)
    state.proof = log.prove(leaf, 9, AT + 4)
    await assert.rejects(
      client.request(MAXIMUM),
      inconsistent(/nobody proves that the log of .* grew from 5 leaves to 9/),
    )
    state.proof = log.prove(leaf, 9, AT)
    state.proves = false
    await assert.rejects(client.request(MAXIMUM), inconsistent(/nobody proves/))
  })

  it('follows a log into a new epoch that says so, and never back', async (t) => {
    const { log, state, client } = await provider(t)
    await client.request(MAXIMUM)
    const first = state.proof
    state.proof = log.prove(leaf, 6, AT, 2)
    await assert.rejects(client.request(MAXIMUM), inconsistent(/goes on as .*\/log\.2 without saying so/))
    state.epochs = [log.openEpoch(leaf, AT, 2, 4, first.evidence.checkpoint)]
    await client.request(MAXIMUM)
    state.proof = first
    await assert.rejects(client.request(MAXIMUM), inconsistent(/went back to .*\/log$/))
  })

  it("in the caller's store, so that the next client holds the log to it", async (t) => {
    const { log, state, url } = await provider(t)
    const kept = new Map<string, SeenCheckpoint>()
    const checkpoints = {
      get: async (id: string) => kept.get(id),
      set: async (id: string, seen: SeenCheckpoint) => void kept.set(id, seen),
    }
    await createClient({ nodes: url, checkpoints }).request(MAXIMUM)
    assert.deepEqual([...kept.keys()], [log.providerId])
    assert.equal(kept.get(log.providerId)?.size, 5)
    state.proof = log.prove(leaf, 5, AT + 1)
    await createClient({ nodes: url }).request(MAXIMUM)
    await assert.rejects(createClient({ nodes: url, checkpoints }).request(MAXIMUM), inconsistent(/two histories/))
  })
})

describe('witnesses that a caller chose', () => {
  const witnesses = ['a.example', 'b.example', 'c.example'].map((name) => {
    const key = ed25519FromSeed(newSeed())
    return { key, note: noteKey(name, key.publicKey, NOTE_KEY_TYPES.cosignature) }
  })
  const keys = witnesses.map(({ note }) => formatNoteKey(note))
  const signedBy = (proof: RegistrationProof, ...which: number[]): RegistrationProof => {
    const { checkpoint } = proof.evidence
    const lines = which.map((i) => cosign(checkpoint, witnesses[i]!.note, witnesses[i]!.key, 1_800_000_000))
    return { ...proof, evidence: { ...proof.evidence, checkpoint: withLines(checkpoint, lines) } }
  }

  it('must have cosigned, as many as the caller says', async (t) => {
    const { state, url } = await provider(t)
    const client = createClient({ nodes: url, witnesses: { keys, threshold: 2 } })
    const plain = state.proof
    for (const which of [[], [1], [1, 1]]) {
      state.proof = signedBy(plain, ...which)
      await assert.rejects(
        client.request(MAXIMUM),
        (error) => error instanceof IntegrityError && error.code === 'NOT_WITNESSED',
      )
    }
    state.proof = signedBy(plain, 0, 2)
    await client.request(MAXIMUM)
    const forged = signedBy(plain, 0, 2).evidence.checkpoint.replace(
      /(— c\.example \S{60})(.)/,
      (_, before, byte) => before + (byte === 'A' ? 'B' : 'A'),
    )
    state.proof = { ...plain, evidence: { ...plain.evidence, checkpoint: forged } }
    await assert.rejects(client.request(MAXIMUM), /signature by c\.example does not hold/)
  })

  it('are refused when they cannot be', () => {
    const nodes = 'http://127.0.0.1'
    const log = formatNoteKey(noteKey('log.example', witnesses[0]!.key.publicKey))
    for (const policy of [
      { keys, threshold: 4 },
      { keys, threshold: 0 },
      { keys: [keys[0]!, keys[0]!], threshold: 2 },
      { keys: ['nonsense'], threshold: 1 },
      { keys: [log], threshold: 1 },
    ]) {
      assert.throws(() => createClient({ nodes, witnesses: policy }), { code: 'INVALID_ARGUMENT' })
    }
  })
})
