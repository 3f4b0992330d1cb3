/**
 * The error table of the Provider API ("Error Codes"): code, meaning, HTTP status, whether the same call may succeed later.
 * `PROV_016` is added for missing credentials. A route may answer with a more exact 4xx status (405, 409, 413, 415, 421, 422).
 */
export const ERRORS = {
  PROV_001: { message: 'Invalid request format', status: 400, retryable: false },
  PROV_002: { message: 'Cell not found', status: 404, retryable: true },
  PROV_003: { message: 'Capability not supported', status: 404, retryable: true },
  PROV_004: { message: 'Invalid quantum signature', status: 401, retryable: false },
  PROV_005: { message: 'Cell validation failed', status: 400, retryable: false },
  PROV_006: { message: 'Request timed out', status: 504, retryable: true },
  PROV_007: { message: 'Cell already exists', status: 409, retryable: false },
  PROV_008: { message: 'Cell package corrupted', status: 400, retryable: false },
  PROV_009: { message: 'Federation not enabled', status: 403, retryable: false },
  PROV_010: { message: 'Federation partner not found', status: 404, retryable: false },
  PROV_011: { message: 'Federation request rejected', status: 403, retryable: false },
  PROV_012: { message: 'Analytics report invalid', status: 400, retryable: false },
  PROV_013: { message: 'Rate limit exceeded', status: 429, retryable: true },
  PROV_014: { message: 'Repository full', status: 507, retryable: true },
  PROV_015: { message: 'Insufficient permissions', status: 403, retryable: false },
  PROV_016: { message: 'Authentication required', status: 401, retryable: false },
} as const satisfies Record<string, { message: string; status: number; retryable: boolean }>

/**
 * The code of what nobody expected, with status 500: a mistake of the node, not of the caller. It is outside the table, because
 * a caller can do nothing about it; the message names the request by which the node's log tells what happened.
 */
export const INTERNAL_ERROR = 'INTERNAL_ERROR'

/** A code of the error table. */
export type ErrorCode = keyof typeof ERRORS
