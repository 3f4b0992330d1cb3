import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Compile } from 'typebox/compile'
import { CONTEXTS } from '../../protocol/contexts.ts'
import type { ContributionVector } from '../../scripts/vectors/contribution.ts'
import type { GoalVector } from '../../scripts/vectors/goal.ts'
import type { HandshakeEnd, HandshakeVector } from '../../scripts/vectors/handshake.ts'
import { type MessageCase, messageSchemas } from '../../scripts/vectors/messages.ts'
import { packHash, workOf } from '../../src/domain/goals/contribution-record.ts'
import { readGoal } from '../../src/domain/goals/goal-record.ts'
import { Leaderboard } from '../../src/domain/goals/leaderboard.ts'
import { scoreOf } from '../../src/domain/goals/score.ts'
import { fromBase64Url, fromHex, toHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import { sha256Hex } from '../../src/kernel/base/hash.ts'
import { parseStrictJson, StrictJsonError } from '../../src/kernel/base/strict-json.ts'
import { nodeIdOf, publicKeyOf } from '../../src/kernel/identity/ids.ts'
import { ephemeralKey } from '../../src/kernel/identity/key-agreement.ts'
import { ed25519FromSeed, verifyObject } from '../../src/kernel/identity/keys.ts'
import { pureVerifier } from '../../src/kernel/identity/verify-pure.ts'
import { leafHash } from '../../src/kernel/log/tree.ts'
import { openHandshake, type WireIdentity } from '../../src/network/session.ts'
import { peerSession } from '../../src/network/session-key.ts'
import { readVectors } from './read.ts'

test('handshake.json: messages, session and keys, from the secrets of one end', () => {
  const vector = readVectors<HandshakeVector>('handshake.json')
  const { network, now, opener, other, challenge, response } = vector
  const wire = (end: HandshakeEnd, message: string): WireIdentity => ({
    network,
    providerId: end.provider_id,
    key: ed25519FromSeed(fromHex(end.wire_seed)),
    certificate: JSON.parse(message).certificate,
    verifier: pureVerifier,
    clock: { now: () => now },
  })
  const secrets = { nonce: fromHex(opener.nonce), ephemeral: ephemeralKey(fromHex(opener.ephemeral_private)) }
  const opened = openHandshake(wire(opener, challenge), other.provider_id, secrets)
  assert.equal(opened.challenge, challenge)
  const session = opened.finish(utf8(response))
  assert.equal(session.id, vector.session)
  assert.equal(toHex(session.key), vector.session_key)
  assert.equal(toHex(session.remoteKey), toHex(ed25519FromSeed(fromHex(other.wire_seed)).publicKey))
  assert.equal(toHex(secrets.ephemeral.agree(fromHex(other.ephemeral_public))), vector.shared_secret)
  const { derive } = peerSession(session.id, session.key, network)
  for (const [label, key] of Object.entries(vector.derived)) assert.equal(toHex(derive(label)), key)
  for (const key of vector.small_order) assert.throws(() => secrets.ephemeral.agree(fromHex(key)), /small order/, key)
})

test('messages.json: what is taken for a message, and what is refused', () => {
  const { cases } = readVectors<{ cases: MessageCase[] }>('messages.json')
  const schemas = new Map([...messageSchemas()].map(([name, schema]) => [name, Compile(schema)]))
  const seen = new Set<string>()
  for (const { about, place, type, text, hex, verdict } of cases) {
    const name = `${place} ${type}`
    const judge = (): MessageCase['verdict'] => {
      try {
        const value = parseStrictJson(text === undefined ? fromHex(hex!) : utf8(text))
        return schemas.get(name)!.Check(value) ? 'accepted' : 'not the schema'
      } catch (error) {
        assert.ok(error instanceof StrictJsonError, `${name}: ${about}`)
        return 'not JSON'
      }
    }
    assert.equal(judge(), verdict, `${name}: ${about}`)
    if (verdict === 'accepted') seen.add(name)
  }
  assert.deepEqual([...seen].sort(), [...schemas.keys()].sort())
})

test('contribution.json: hashes, ids and signatures', () => {
  const { network, packs, pack, contribution, contribution_id, record_id, announce } =
    readVectors<ContributionVector>('contribution.json')
  for (const { version, parameters, pack_hash } of packs) assert.equal(packHash({ version, parameters }), pack_hash)
  assert.equal(new Set(packs.map(({ pack_hash }) => pack_hash)).size, packs.length)
  assert.equal(packHash(pack), contribution.pack_hash)
  const key = fromBase64Url(contribution.public_key)
  assert.equal(nodeIdOf(key), contribution.contributor_id)
  assert.ok(verifyObject(pureVerifier, key, network, CONTEXTS.contribution, contribution, contribution.signature))
  assert.equal(sha256Hex(canonicalJson(contribution)), contribution_id)
  assert.equal(sha256Hex(canonicalJson({ contribution, pack })), record_id)
  assert.equal(sha256Hex(canonicalJson({ metadata: pack.metadata })), contribution.extras)
  const identity = publicKeyOf(announce.sender_id)
  assert.ok(verifyObject(pureVerifier, identity, network, CONTEXTS.contributionAnnounce, announce, announce.signature))
})

test('goal.json: digest and signature of a goal, work, leaf, score and leaderboard', () => {
  const { network, goal, digest, work, leaf, leaf_hash, board } = readVectors<GoalVector>('goal.json')
  assert.equal(sha256Hex(canonicalJson(goal)), digest)
  assert.deepEqual(readGoal(canonicalJson(goal), network, pureVerifier), goal)
  for (const { contribution, bits } of work) assert.equal(workOf(network, contribution), bits)
  assert.equal(toHex(leafHash(utf8(leaf))), leaf_hash)
  const leaderboard = new Leaderboard(goal)
  for (const { score, metrics, contribution_id: id, pack_hash: pack, contributor_id: contributor } of board.entries) {
    assert.equal(scoreOf(goal, metrics), score)
    leaderboard.add({ score, metrics, id, pack, contributor, logIndex: 0, at: 0 })
  }
  assert.equal(toHex(leaderboard.root()), board.root)
  assert.deepEqual(
    leaderboard.entries().map(({ pack }) => pack),
    board.ranking,
  )
})
