import type { Constraint } from '../../protocol/constraints.ts'
import { CONTEXTS } from '../../protocol/contexts.ts'
import { constraintDigest } from '../../src/domain/assurance/constraint.ts'
import { corpusRoot, type SourceCell } from '../../src/domain/assurance/corpus.ts'
import { checkDraft } from '../../src/domain/assurance/draft.ts'
import { confidenceOf, rankSentences } from '../../src/domain/assurance/rank-sentences.ts'
import { SourceText } from '../../src/domain/assurance/source-text.ts'
import { toBase64Url } from '../../src/kernel/base/bytes.ts'
import { sha256Hex } from '../../src/kernel/base/hash.ts'
import { ed25519FromSeed, signObject } from '../../src/kernel/identity/keys.ts'
import { log2, RANKER, sentenceShare, shareOf, weightOf } from '../../src/kernel/text/bm25.ts'
import { PassageFile } from '../../src/kernel/text/passage-file.ts'
import { passagesOf } from '../../src/kernel/text/passages.ts'
import { quoted, SEGMENTER, sentencesOf } from '../../src/kernel/text/sentences.ts'
import { queryTokens, tokensOf } from '../../src/kernel/text/tokens.ts'
import { NETWORK, namedSeed } from './seeds.ts'

const WORDS = [
  "The LICENSES' holders, 2 copies_of x86-64.",
  'status class shoes bees dies ties gas s as',
  '\u00c4NDERUNG \u0394\u0399\u039a\u0397 \u0414\u041e\u0413\u041e\u0412\u041e\u0420 caf\u00e9s \u0421\u0405',
  '\u5951\u7d04x \ud83d\ude00 a\u00a0b',
]

const LEASE = `# Lease

## Termination

Either party may end this lease with three months' notice (cf. Art. 5). Notice has to be given
in writing. "It is over." Then v. 2 begins, e.g. in May

- the deposit, within thirty days
- (b) all keys

\`\`\`
No sentence here.
\`\`\`
> Repairs of the roof
| are paid | by. |
are paid by the landlord... or by nobody. Gr\u00fc\u00dfe! \u5951\u7d04\u306f\u7d42\u308f\u308b\u3002\u901a\u77e5\u3059\u308b\u4eba\u3002
`

const POLICY = `Data protection
---------------
Personal data are erased after two years. Notice of this is given within one month.
`

const DOCUMENTS = [LEASE, POLICY, 'The lease ends in May. The roof is repaired in June.']
const QUESTIONS = ['How much notice ends the lease?', 'Who pays for the roof?', 'lease', 'What is it?', 'zzz']

/** `answers.json`. */
export function questionVectors(): object {
  return {
    about:
      'How questions are answered: README.md, "Answers". Positions are UTF-16 code units unless they are said to be bytes',
    segmenter: SEGMENTER,
    ranker: RANKER,
    words: WORDS.map((text) => ({ text, words: tokensOf(text) })),
    questions: [...QUESTIONS, ...WORDS].map((text) => ({ text, words: queryTokens(text) })),
    sentences: DOCUMENTS.map(segmented),
    log2: [1, 2, 3, 255, 256, 1_000_000, 2 ** 32, 2 ** 33 + 1].map((value) => [value, log2(value)]),
    weights: [
      [1, 1],
      [10, 0],
      [10, 1],
      [10_000, 37],
      [10_000, 10_000],
    ].map(([total, found]) => ({
      passages: total,
      with_word: found,
      weight: weightOf(total!, found!),
    })),
    shares: [
      [1, 20, 10, 1000],
      [3, 250, 10_000, 1_234_567],
      [7, 1, 1, 1],
    ].map(([count, length, total, words]) => ({
      count,
      length,
      passages: total,
      words,
      share: shareOf(count!, length!, total!, words!),
    })),
    sentence_shares: [1, 3, 24, 400].map((length) => [length, sentenceShare(length)]),
    corpus: [[], cells().slice(0, 1), cells()].map((some) => {
      const ids = some.map(({ cell }) => cell.id).sort()
      return { ids, root: corpusRoot(ids) }
    }),
    answers: answers(),
    drafts: ['The lease ends in May. And so on.', '- The lease ends in May.', 'He says: The lease ends in May.'].map(
      (draft) => ({
        draft,
        sentences: ['The lease ends in May.'],
        ...checkDraft(draft, ['The lease ends in May.']),
      }),
    ),
    constraints: constraints(),
  }
}

function segmented(text: string): object {
  const sentences = sentencesOf(text)
  return {
    text,
    sentences: sentences.map(({ start, end, kind, isQuotable }) => ({
      start,
      end,
      kind,
      citable: isQuotable,
      quoted: quoted(text.slice(start, end)),
    })),
    passages: passagesOf(sentences).map(({ first, end }) => [first, end]),
  }
}

function cells(): { readonly cell: SourceCell; readonly bytes: Uint8Array }[] {
  return DOCUMENTS.map((text, at) => {
    const bytes = Buffer.from(text)
    const cell: SourceCell = {
      id: sha256Hex(`cell ${at}`),
      publisher: sha256Hex('publisher'),
      cellType: `document-${at}`,
      version: '1.0.0',
      digest: `sha256:${sha256Hex(bytes)}`,
      size: bytes.length,
      mediaType: 'text/markdown',
      domain: 'legal',
      status: 'active',
    }
    return { cell, bytes }
  })
}

/** Every step of a few answers over all documents. */
function answers(): object[] {
  const sources = cells()
  const index = new PassageFile(':memory:')
  index.write(
    sources.map(({ cell, bytes }) => ({ id: cell.id, digest: cell.digest, bytes })),
    [],
  )
  index.select(
    'all',
    sources.map(({ cell }) => cell.id),
  )
  const made = QUESTIONS.map((question) => {
    const words = queryTokens(question)
    const { hits, weights } = index.search('all', words, 8)!
    const found = hits.map(({ id, passage, score }) => {
      const { cell, bytes } = sources.find((one) => one.cell.id === id)!
      return { cell, text: SourceText.read(bytes, cell.digest)!, passage, score }
    })
    const ranked = rankSentences(found, words, weights)
    return {
      question,
      words,
      weights,
      passages: hits.map(({ id, passage, score }) => ({ cell_id: id, passage, score })),
      sentences: ranked.map(({ cell, text, sentence, quote, score }) => {
        const { start, end } = text.bytesOf(sentence)
        return { cell_id: cell.id, start_byte: start, end_byte: end, quoted: quote, score }
      }),
      confidence_of_the_first: confidenceOf(
        ranked.slice(0, 1).map(({ quote }) => quote),
        words,
        weights,
      ),
    }
  })
  index.close()
  return made
}

/** One that holds, and what it does not hold as. */
function constraints(): object[] {
  const key = ed25519FromSeed(namedSeed('author of constraints'))
  const unsigned = {
    format: 1,
    constraint_id: 'short',
    version: 1,
    kind: 'maximum_length',
    parameters: { characters: 200 },
    public_key: toBase64Url(key.publicKey),
  } as const
  const signature = signObject(key, NETWORK, CONTEXTS.constraint, unsigned)
  const constraint: Constraint = { ...unsigned, signature }
  return [
    { about: 'as it was signed', network: NETWORK, constraint, digest: constraintDigest(constraint), valid: true },
    { about: 'in another network', network: 'other', constraint, digest: constraintDigest(constraint), valid: false },
    { about: 'of another version', network: NETWORK, constraint: { ...constraint, version: 2 }, valid: false },
  ]
}
