import { useState } from 'preact/hooks'
import type { Citation, QueryPayload, VerificationMode } from '../../../protocol/assurance.ts'
import type { NodeInfo } from '../../../protocol/node-info.ts'
import { askJson } from '../api.ts'
import { visibleLines } from '../foreign.ts'
import { milliseconds, number } from '../format.ts'
import { highlighted } from '../highlight.ts'
import { Area, Choice, Facts, Field, Foreign, ForeignLines, Id, Problem, Section, Status, textsOf } from '../parts.tsx'
import type { ProvenAnswer } from '../question.ts'

const DOMAINS = ['general', 'legal', 'finance', 'compliance', 'medical'].map((name) => [name, name] as const)
const MODES = [
  ['standard', 'standard'],
  ['strict', 'strict: with the log'],
  ['audit', 'audit: with anchors'],
] as const
const KEYS = [
  ['secret', 'a secret that the node made'],
  ['seed', 'the seed of an Ed25519 key'],
] as const

/** Asks a signed question; what is answered stands in documents, and is shown where it stands. */
export default function Queries() {
  const [answer, setAnswer] = useState<ProvenAnswer>()
  const [failure, setFailure] = useState<string>()
  const [isAsking, setAsking] = useState(false)
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    const {
      query = '',
      operator = '',
      key = '',
      kind,
      domain,
      jurisdiction,
      mode,
    } = textsOf(event.currentTarget as HTMLFormElement)
    setAsking(true)
    setFailure(undefined)
    setAnswer(undefined)
    try {
      const [{ askQuestion }, { network }] = await Promise.all([import('../question.ts'), askJson<NodeInfo>('/info')])
      const question = {
        operatorId: operator,
        key,
        isSecret: kind === 'secret',
        query,
        domain: domain as QueryPayload['context']['domain'],
        jurisdiction,
        mode: mode as VerificationMode,
      }
      setAnswer(await askQuestion(network, question))
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error))
    } finally {
      setAsking(false)
    }
  }
  return (
    <>
      <form class="fields" onSubmit={submit}>
        <Area label="Question" name="query" required maxLength={8192} />
        <Choice label="Domain" name="domain" options={DOMAINS} />
        <Field label="Jurisdiction" name="jurisdiction" placeholder="any, or such as US-CA" />
        <Choice label="Verification" name="mode" options={MODES} />
        <Field label="Operator" name="operator" required placeholder="team@example.org" />
        <Choice label="Signed with" name="kind" options={KEYS} />
        <Field
          label="The operator’s key"
          name="key"
          type="password"
          required
          minLength={43}
          maxLength={43}
          hint="32 bytes in base64url; used in this browser only"
        />
        <div class="buttons">
          <button type="submit" class="primary" disabled={isAsking}>
            {isAsking ? 'Asking…' : 'Ask'}
          </button>
        </div>
      </form>
      {failure !== undefined && <Problem error={failure} />}
      <div aria-live="polite">{answer !== undefined && <Answer answer={answer} />}</div>
    </>
  )
}

function Answer({ answer: { response, documents, verified, failure } }: { answer: ProvenAnswer }) {
  const { payload, errors, status } = response
  return (
    <>
      <Section title="Answer" note={<Status word={payload?.verification_status ?? status} />}>
        {errors.map(({ code, message }) => (
          <Problem key={code} error={`${code}: ${message}`} />
        ))}
        {payload !== null && (
          <>
            <blockquote class="answer">
              {payload.result === '' ? (
                'Nothing in the approved documents answers this.'
              ) : (
                <ForeignLines text={payload.result} />
              )}
            </blockquote>
            <Facts
              rows={[
                ['Confidence', `${number(payload.confidence * 100, 1)} %`],
                [
                  'Found in',
                  `${number(payload.corpus.cells)} documents, by ${payload.corpus.ranker} and ${payload.corpus.segmenter}`,
                ],
                [
                  'Constraints',
                  <Foreign
                    text={
                      [
                        ...payload.constraints_passed.map((id) => `${id} passed`),
                        ...payload.constraints_failed.map((id) => `${id} failed`),
                      ].join(', ') || 'none'
                    }
                  />,
                ],
                ['Answered in', milliseconds(payload.metadata.processing_time_ms)],
              ]}
            />
          </>
        )}
      </Section>
      <Section title="Proof" note={<Status word={verified === undefined ? 'failed' : 'verified'} />}>
        {verified === undefined ? (
          <Problem error={failure ?? 'it was not verified'} />
        ) : (
          <>
            <p class="good-news">
              Verified in this browser: signatures, audit chain, request
              {documents.size > 0 && ', and every sentence where it stands'}.
            </p>
            <Facts
              rows={[
                ['Answered by', <Id id={verified.providerId} ends={12} />],
                [
                  'Key',
                  <>
                    <Id id={verified.kid} ends={12} />,{' '}
                    {verified.keyListed ? 'listed by the node' : 'not listed by the node'}
                  </>,
                ],
                ['Answers this request', verified.requestMatches ? 'yes' : 'no'],
                ['Steps', <Foreign text={verified.steps.join(' → ')} />],
                ['Documents compared', number(verified.compared.length)],
                verified.log !== undefined && [
                  'Log',
                  `${number(verified.log.registered.length)} of the cited cells registered, ${number(verified.log.witnesses.length)} witnesses, ${number(verified.log.anchors.length)} anchors`,
                ],
              ]}
            />
          </>
        )}
      </Section>
      {payload !== null && payload.citations.length > 0 && (
        <Section title="Sources" note="What is cited is marked where it stands.">
          {[...Map.groupBy(payload.citations, ({ digest }) => digest)].map(([digest, citations]) => (
            <Source key={digest} citations={citations} document={documents.get(digest)} />
          ))}
        </Section>
      )}
    </>
  )
}

const Source = ({ citations, document }: { citations: readonly Citation[]; document: Uint8Array | undefined }) => (
  <details open>
    <summary>
      <Foreign text={`${citations[0]?.cell_type} ${citations[0]?.version}`} />, {number(citations.length)} cited, by{' '}
      <Foreign text={(citations[0]?.publisher ?? '').slice(0, 12)} />…
    </summary>
    {document === undefined ? (
      <p class="empty">The document is not here, or too large to be shown.</p>
    ) : (
      <pre>
        {highlighted(document, citations).map(({ text, mark }, at) =>
          mark === undefined ? <bdi key={at}>{visibleLines(text)}</bdi> : <mark key={at}>{visibleLines(text)}</mark>,
        )}
      </pre>
    )}
  </details>
)
