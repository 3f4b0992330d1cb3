import { toHex } from '../../src/kernel/base/bytes.ts'
import { sha256 } from '../../src/kernel/base/hash.ts'
import { compare, firstRanges } from '../../src/network/sync/compare.ts'
import { IdIndex } from '../../src/network/sync/id-index.ts'
import { KeyedIds, sessionKey } from '../../src/network/sync/keyed-ids.ts'
import { readRanges } from '../../src/network/sync/ranges.ts'
import { SetRoot } from '../../src/network/sync/set-root.ts'

/** A set, by the texts of its records. */
export interface SetRootCase {
  readonly texts: string[]
  readonly root: string
}

/** A session of two sides, from the opening side's first ranges on. Everything is hexadecimal. */
export interface SessionCase {
  readonly set: string
  readonly openers_nonce: string
  readonly answerers_nonce: string
  readonly key: string
  /** Texts of the records of each side. */
  readonly opener: string[]
  readonly answerer: string[]
  /** Of all records of each side. */
  readonly fingerprints: { readonly opener: string; readonly answerer: string }
  /** The first is the answering side's. */
  readonly messages: string[]
  readonly lacking: string[]
  readonly surplus: string[]
}

const textsOf = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `record ${from + i}`)

function indexOf(texts: readonly string[]): IdIndex {
  const index = new IdIndex()
  for (const text of texts) index.add(sha256(text))
  return index
}

async function rootCase(texts: string[]): Promise<SetRootCase> {
  return { texts, root: toHex(await new SetRoot(indexOf(texts)).read()) }
}

async function sessionCase(opener: string[], answerer: string[]): Promise<SessionCase> {
  const [openersNonce, answerersNonce] = [sha256('opener').slice(0, 16), sha256('answerer').slice(0, 16)]
  const key = sessionKey('things', openersNonce, answerersNonce)
  const [own, other] = await Promise.all([opener, answerer].map((texts) => KeyedIds.of(indexOf(texts), key)))
  const messages: string[] = []
  const lacking: string[] = []
  const surplus: string[] = []
  for (let said = firstRanges(other!).ranges; ; ) {
    messages.push(toHex(said))
    const step = compare(own!, readRanges(said), { answers: false })
    lacking.push(...step.lacking)
    surplus.push(...step.surplus)
    if (!step.asks) break
    messages.push(toHex(step.ranges))
    said = compare(other!, readRanges(step.ranges), { answers: true }).ranges
  }
  return {
    set: 'things',
    openers_nonce: toHex(openersNonce),
    answerers_nonce: toHex(answerersNonce),
    key: toHex(key),
    opener,
    answerer,
    fingerprints: {
      opener: toHex(own!.fingerprint(0, own!.count)),
      answerer: toHex(other!.fingerprint(0, other!.count)),
    },
    messages,
    lacking,
    surplus,
  }
}

/** Roots of permanent sets, and sessions that compare two sets. */
export async function recordSetVectors(): Promise<{ about: string; roots: SetRootCase[]; sessions: SessionCase[] }> {
  return {
    about:
      'Roots: SHA-256 of each text is an id; 256 buckets by the first byte, RFC 9162 trees (README, "Reconciliation"). Sessions: key, ' +
      "fingerprints of all ids of each side, the ranges of each message from the answering side's first one on, and the ids that the opening " +
      'side found to be lacking at itself and at the other.',
    roots: await Promise.all([[], textsOf(0, 1), textsOf(0, 2), textsOf(0, 300)].map(rootCase)),
    sessions: await Promise.all([
      sessionCase([], textsOf(0, 3)),
      sessionCase(textsOf(0, 4), textsOf(2, 7)),
      sessionCase(textsOf(0, 40), [...textsOf(1, 40), 'another record']),
    ]),
  }
}
