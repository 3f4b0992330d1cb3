import type { ReportTarget } from '../api.ts'
import type { NodeParts } from '../parts.ts'
import { verifySignedRequest } from './verify-request.ts'

/**
 * Provider API, `quantum_signature` of usage and error reports: verified like that of any request, and replaced by the pseudonym of its key, so that
 * what is counted is keys. A report without one stays as it is. Throws `PROV_004` and `PROV_013`.
 */
export async function signedReport(
  parts: Pick<NodeParts, 'config' | 'keys' | 'clock' | 'nonces'>,
  body: unknown,
  target: ReportTarget,
): Promise<unknown> {
  if (!isSigned(body)) return body
  const key = await verifySignedRequest(parts, body.quantum_signature, { ...target, body })
  return { ...body, quantum_signature: key }
}

const isSigned = (body: unknown): body is Readonly<Record<string, unknown>> & { quantum_signature: string } =>
  typeof body === 'object' &&
  body !== null &&
  Object.hasOwn(body, 'quantum_signature') &&
  typeof (body as { quantum_signature: unknown }).quantum_signature === 'string'
