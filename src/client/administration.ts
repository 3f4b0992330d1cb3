import {
  ApiKeyCreated,
  type ApiKeyCreation,
  ApiKeyInfo,
  ApiKeyList,
  type ApiKeyListQuery,
} from '../../protocol/access.ts'
import { AuditList, type AuditQuery } from '../../protocol/audit.ts'
import {
  Vulnerability,
  VulnerabilityBatchAnswer,
  type VulnerabilityEntry,
  VulnerabilityList,
  type VulnerabilityListQuery,
} from '../../protocol/vulnerabilities.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { type Call, type CallOptions, call, checked, home, jsonBody, type Transport, withQuery } from './transport.ts'

/** What an administrator does at the first node. */
export interface Administration {
  /** Creates a key. The answer is the only time that it is shown. */
  createKey(creation: ApiKeyCreation, options?: CallOptions): Promise<ApiKeyCreated>
  /** Lists keys without their secrets. */
  listKeys(query?: ApiKeyListQuery, options?: CallOptions): Promise<ApiKeyList>
  /** Ends a key for good, from when it resolves on. */
  revokeKey(keyId: string, options?: CallOptions): Promise<ApiKeyInfo>
  /** Records vulnerabilities of cells, all or none. What is there in the same words stays as it is, so that a feed may be sent again. */
  recordVulnerabilities(
    entries: readonly VulnerabilityEntry[],
    options?: CallOptions,
  ): Promise<VulnerabilityBatchAnswer>
  /** Lists vulnerabilities. Needs no key where reading is open. */
  listVulnerabilities(query?: VulnerabilityListQuery, options?: CallOptions): Promise<VulnerabilityList>
  /** Forgets a vulnerability of a cell type. */
  removeVulnerability(cellType: string, id: string, options?: CallOptions): Promise<Vulnerability>
  /** What administrators did, newest first; `next_before` is `before` of the next page. */
  audit(query?: AuditQuery, options?: CallOptions): Promise<AuditList>
}

const schemas = {
  created: checkerOf(ApiKeyCreated),
  key: checkerOf(ApiKeyInfo),
  keys: checkerOf(ApiKeyList),
  recorded: checkerOf(VulnerabilityBatchAnswer),
  vulnerability: checkerOf(Vulnerability),
  vulnerabilities: checkerOf(VulnerabilityList),
  audit: checkerOf(AuditList),
}

const KEYS = '/api/v1/keys'
const VULNERABILITIES = '/api/v1/repository/vulnerabilities'

export function administration(transport: Transport): Administration {
  const ask = <T>(
    schema: { Check(value: unknown): value is T },
    request: Call,
    { signal }: CallOptions = {},
  ): Promise<T> => call(transport, home(transport), { ...request, signal }).then((answer) => checked(schema, answer))
  return {
    createKey: (creation, options) =>
      ask(schemas.created, { method: 'POST', path: KEYS, ...jsonBody(creation) }, options),
    listKeys: (query = {}, options) => ask(schemas.keys, { path: withQuery(KEYS, query) }, options),
    revokeKey: (keyId, options) =>
      ask(schemas.key, { method: 'DELETE', path: `${KEYS}/${encodeURIComponent(keyId)}` }, options),
    recordVulnerabilities: (vulnerabilities, options) =>
      ask(schemas.recorded, { method: 'POST', path: VULNERABILITIES, ...jsonBody({ vulnerabilities }) }, options),
    listVulnerabilities: (query = {}, options) =>
      ask(schemas.vulnerabilities, { path: withQuery(VULNERABILITIES, query) }, options),
    removeVulnerability: (cell_type, id, options) => {
      const path = withQuery(`${VULNERABILITIES}/${encodeURIComponent(id)}`, { cell_type })
      return ask(schemas.vulnerability, { method: 'DELETE', path }, options)
    },
    audit: (query = {}, options) => ask(schemas.audit, { path: withQuery('/api/v1/audit', query) }, options),
  }
}
