import { answerOf, type Call, errorOf, nodeUrls, send, type Transport } from './transport.ts'

/** Where a stream comes from. */
export interface StreamTarget {
  readonly url: string
  readonly apiKey?: string | undefined
  readonly fetch?: typeof fetch | undefined
}

/**
 * The body of a node's answer, as it comes, for answers that are too large or too slow to be waited for. Throws the typed error of any status but
 * 2xx, and `UnreachableError`.
 */
export async function openStream(
  { url, apiKey, fetch: fetchFunction = fetch }: StreamTarget,
  call: Call,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const [node] = nodeUrls(url)
  const transport: Transport = {
    nodes: [node!],
    fetch: fetchFunction,
    apiKey,
    timeoutMs: Number.POSITIVE_INFINITY,
    retries: 0,
  }
  const response = await send(transport, node!, { ...call, signal }, signal)
  if (!response.ok) throw errorOf(await answerOf(response, node!, signal))
  return response.body ?? empty()
}

async function* empty(): AsyncGenerator<Uint8Array> {}
