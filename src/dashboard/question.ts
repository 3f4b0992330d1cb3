import type { QueryPayload, QueryResponse, VerificationMode } from '../../protocol/assurance.ts'
import type { PublicKeys } from '../../protocol/public-keys.ts'
import { createClient, operatorKey, type QueryAnswer, type VerifiedAnswer, verifyAnswer } from '../client/index.ts'
import { fromBase64Url } from '../kernel/base/bytes.ts'

/** Asks signed questions and verifies their answers, by the SDK. The operator's key is used for one question and not kept. */

export interface Question {
  readonly operatorId: string
  /** 32 bytes, base64url: the seed of an Ed25519 key, or the secret that a node made. */
  readonly key: string
  readonly isSecret: boolean
  readonly query: string
  readonly domain: QueryPayload['context']['domain']
  readonly jurisdiction: string | undefined
  readonly mode: VerificationMode
}

/** An answer, what it was found in, and whether its proof holds. */
export interface ProvenAnswer {
  readonly response: QueryResponse
  /** Documents that are cited, by digest; those that could not be read are missing. */
  readonly documents: ReadonlyMap<string, Uint8Array>
  readonly verified: VerifiedAnswer | undefined
  /** Why it does not hold. */
  readonly failure: string | undefined
}

/** Bytes of a document that is shown: more is for a download. */
const DOCUMENT_BYTES = 4 * 1024 * 1024

/** Throws `ClientError` where nothing was answered, and `TypeError` for a key of another length. */
export async function askQuestion(network: string, question: Question): Promise<ProvenAnswer> {
  const { operatorId, key, isSecret, query, domain, jurisdiction, mode } = question
  const bytes = fromBase64Url(key)
  const operator = operatorKey(operatorId, isSecret ? { secret: bytes } : { seed: bytes })
  const client = createClient({ nodes: location.origin, network, operator, timeoutMs: 45_000 })
  const answer = await client.query({ query, domain, jurisdiction, mode, proof: true })
  const documents = new Map<string, Uint8Array>()
  for (const { digest } of answer.response.payload?.citations ?? []) {
    if (documents.has(digest)) continue
    const document = await readDocument(client, digest)
    if (document !== undefined) documents.set(digest, document)
  }
  return { response: answer.response, documents, ...(await proven(client, network, answer, documents)) }
}

type Client = ReturnType<typeof createClient>

/** Undefined where the node does not have it, or it is too large to be read. */
async function readDocument(client: Client, digest: string): Promise<Uint8Array | undefined> {
  const enough = new AbortController()
  try {
    return await client.download(
      { digest },
      {
        signal: enough.signal,
        onProgress: ({ total }) => {
          if (total > DOCUMENT_BYTES) enough.abort(new Error('too large'))
        },
      },
    )
  } catch {
    return undefined
  }
}

async function proven(
  client: Client,
  network: string,
  { request, response }: QueryAnswer,
  documents: ReadonlyMap<string, Uint8Array>,
): Promise<Pick<ProvenAnswer, 'verified' | 'failure'>> {
  if (response.proof === undefined) return { verified: undefined, failure: 'it brings no proof' }
  try {
    const publicKeys = (await client.get('/.well-known/public-keys.json')) as PublicKeys
    const verified = await verifyAnswer(response, { network, publicKeys, request, sources: [...documents.values()] })
    return { verified, failure: undefined }
  } catch (error) {
    return { verified: undefined, failure: error instanceof Error ? error.message : String(error) }
  }
}
