import { LIMITS } from '../../protocol/limits.ts'

const WAIT = /(?:^|[,;])\s*wait\s*=\s*"?([0-9]{1,9})"?\s*(?=$|[,;])/i

/**
 * Milliseconds that a client wants to wait: `wait=N` of its `Prefer` header (RFC 7240 §4.3, seconds), at most 30 s; 5 s when it
 * says nothing or nothing that can be read.
 */
export function waitMs(prefer: string | string[] | undefined): number {
  const text = Array.isArray(prefer) ? prefer.join(',') : prefer
  const seconds = text === undefined ? undefined : WAIT.exec(text)?.[1]
  return 1000 * (seconds === undefined ? LIMITS.defaultWaitSeconds : Math.min(Number(seconds), LIMITS.maxWaitSeconds))
}
