import { createParser } from 'eventsource-parser'
import { ChatCompletionChunk, ChatFailure } from '../../protocol/chat.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { parseStrictJson } from '../kernel/base/strict-json.ts'
import { ClientError, UnreachableError } from './errors.ts'
import { badAnswer, errorOf, failureReason } from './transport.ts'

/** Bytes of a streamed answer: the longest turn that is kept, at some 250 bytes for each event of four characters. */
const MAX_STREAM_BYTES = 32 * 1024 * 1024
const DONE = '[DONE]'

/** What would have been the status of a failure, if it had come earlier. */
const STATUS: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  rate_limit_error: 429,
  server_error: 503,
}

const chunkSchema = checkerOf(ChatCompletionChunk)
const failureSchema = checkerOf(ChatFailure)

/** The chunks of a streamed chat completion. Throws `ClientError` for a failure that comes in between, and when it breaks off before its end. */
export async function* chatChunks(
  response: Response,
  node: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<ChatCompletionChunk, void, undefined> {
  let arrived: string[] = []
  const parser = createParser({ onEvent: ({ data }) => void arrived.push(data) })
  const decoder = new TextDecoder()
  const reader = response.body!.getReader()
  let total = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) throw new UnreachableError([{ node, reason: 'the stream broke off' }])
      total += value.length
      if (total > MAX_STREAM_BYTES) throw badAnswer(node, 200, `it is longer than ${MAX_STREAM_BYTES} bytes`)
      parser.feed(decoder.decode(value, { stream: true }))
      for (const data of arrived) {
        if (data === DONE) return
        yield chunkOf(data, node)
      }
      arrived = []
    }
  } catch (error) {
    if (error instanceof ClientError) throw error
    signal?.throwIfAborted()
    throw new UnreachableError([{ node, reason: failureReason(error) }], error)
  }
}

function chunkOf(data: string, node: string): ChatCompletionChunk {
  const value = parsed(data, node)
  if (chunkSchema.Check(value)) return value
  if (failureSchema.Check(value)) {
    throw errorOf({ node, status: STATUS[value.error.type] ?? 500, headers: new Headers(), body: value })
  }
  throw badAnswer(node, 200, 'it has not the documented form')
}

function parsed(data: string, node: string): unknown {
  try {
    return parseStrictJson(data)
  } catch (error) {
    throw badAnswer(node, 200, errorMessage(error))
  }
}
