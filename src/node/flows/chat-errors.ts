import { memoryError } from '../../domain/memory/errors.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { LlmUnavailableError } from '../../kernel/plugins/packages/llms.ts'

/** Seconds after which a client may try again, where what failed does not say. */
const RETRY_SECONDS = 30

/** A failure of a chat with a code that clients of OpenAI's know; `param` is the field that it is about. */
export const chatError = (
  code: 'model_not_found' | 'unsupported_parameter' | 'invalid_value',
  message: string,
  param: string,
): ProviderError =>
  new ProviderError('PROV_001', message, {
    status: code === 'model_not_found' ? 404 : 400,
    details: { chat: { code, param } },
  })

/** What a composer threw, as clients may see it: 503, and when to try again. Where its service lies is nobody's business. */
export function unavailable(error: unknown, model: string): ProviderError {
  const retryAfter = (error instanceof LlmUnavailableError ? error.retryAfter : undefined) ?? RETRY_SECONDS
  return memoryError('MEMORY_SERVICE_ERROR', `${model} gives no answer at the moment`, { retryAfter, cause: error })
}
