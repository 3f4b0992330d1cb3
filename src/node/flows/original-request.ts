import semver from 'semver'
import { CapabilityRequest, knownDevice, SpecificRequest } from '../../../protocol/cells.ts'
import type { CellQuery } from '../../domain/cells/query.ts'
import { checkerOf } from '../../kernel/base/checker.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import { schemaFinding } from '../../kernel/base/schema-findings.ts'

const capabilityRequest = checkerOf(CapabilityRequest)
const specificRequest = checkerOf(SpecificRequest)

/** What the `original_request` of a forward asks for. Its own id counts for nothing. Throws `PROV_001`. */
export function queryOf(original: Readonly<Record<string, unknown>>): CellQuery {
  const request: unknown = { ...original, request_id: 'original' }
  if (capabilityRequest.Check(request)) {
    const { capability, preferences } = request
    return query('capability', capability, preferences?.version_constraints, request)
  }
  if (specificRequest.Check(request)) {
    const { cell_type, version, preferences } = request
    return query('cell_type', cell_type, version ?? preferences?.version_constraints, request)
  }
  const schema = 'cell_type' in original ? specificRequest : capabilityRequest
  throw new ProviderError('PROV_001', schemaFinding('original_request', request, schema.Errors(request)))
}

function query(
  by: CellQuery['by'],
  name: string,
  range: string | undefined,
  { preferences, context }: CapabilityRequest | SpecificRequest,
): CellQuery {
  if (range !== undefined && semver.validRange(range) === null) {
    throw new ProviderError('PROV_001', `original_request: found ${JSON.stringify(range)}, allowed is a semver range`)
  }
  return {
    by,
    name,
    range,
    device: context?.device_info && knownDevice(context.device_info),
    priority: preferences?.optimization_priority,
    securityLevel: preferences?.security_level,
    publishers: preferences?.publishers,
  }
}

/** A query as another provider is asked it: name and range only, so that it learns neither who asked nor for what device. */
export function originalOf({ by, name, range }: CellQuery): Record<string, unknown> {
  const request_id = crypto.randomUUID()
  return by === 'capability'
    ? {
        request_id,
        capability: name,
        ...(range === undefined ? {} : { preferences: { version_constraints: range } }),
      }
    : { request_id, cell_type: name, ...(range === undefined ? {} : { version: range }) }
}
