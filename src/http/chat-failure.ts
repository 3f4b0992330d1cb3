import type { ChatFailure } from '../../protocol/chat.ts'

/** Kinds of failures as clients of OpenAI's API tell them apart. */
const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  429: 'rate_limit_error',
}
/** Codes for what has none of its own. */
const CODES: Readonly<Record<number, string>> = {
  401: 'invalid_api_key',
  403: 'permission_denied',
  413: 'request_too_large',
  429: 'rate_limit_exceeded',
  500: 'internal_error',
}

/** What a failure says beside its message, where whoever threw it knew more. */
interface Known {
  readonly chat?: { readonly code: string; readonly param: string | null }
  readonly memory?: { readonly code: string; readonly retry_after?: number | undefined }
}

/** A failure in the shape that clients of OpenAI's API raise. */
export function chatFailure(
  status: number,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): ChatFailure {
  const { chat, memory }: Known = details
  const type = TYPES[status] ?? (status >= 500 ? 'server_error' : 'invalid_request_error')
  const retryAfter = memory?.retry_after
  return {
    error: {
      message,
      type,
      param: chat?.param ?? null,
      code: chat?.code ?? memory?.code ?? CODES[status] ?? 'invalid_request',
      ...(retryAfter === undefined ? {} : { retry_after: retryAfter }),
    },
  }
}
