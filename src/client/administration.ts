import { Compile } from 'typebox/compile'
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
import { type Call, call, checked, home, jsonBody, type Transport, withQuery } from './transport.ts'

/** What an administrator does at the first node. */
export interface Administration {
  /** Creates a key. The answer is the only time that it is shown. */
  createKey(creation: ApiKeyCreation): Promise<ApiKeyCreated>
  /** Lists keys without their secrets. */
  listKeys(query?: ApiKeyListQuery): Promise<ApiKeyList>
  /** Ends a key for good, from when it resolves on. */
  revokeKey(keyId: string): Promise<ApiKeyInfo>
  /** Records vulnerabilities of cells, all or none. What is there in the same words stays as it is, so that a feed may be sent again. */
  recordVulnerabilities(entries: readonly VulnerabilityEntry[]): Promise<VulnerabilityBatchAnswer>
  /** Lists vulnerabilities. Needs no key where reading is open. */
  listVulnerabilities(query?: VulnerabilityListQuery): Promise<VulnerabilityList>
  /** Forgets a vulnerability of a cell type. */
  removeVulnerability(cellType: string, id: string): Promise<Vulnerability>
  /** What administrators did, newest first; `next_before` is `before` of the next page. */
  audit(query?: AuditQuery): Promise<AuditList>
}

const schemas = {
  created: Compile(ApiKeyCreated),
  key: Compile(ApiKeyInfo),
  keys: Compile(ApiKeyList),
  recorded: Compile(VulnerabilityBatchAnswer),
  vulnerability: Compile(Vulnerability),
  vulnerabilities: Compile(VulnerabilityList),
  audit: Compile(AuditList),
}

const KEYS = '/api/v1/keys'
const VULNERABILITIES = '/api/v1/repository/vulnerabilities'

export function administration(transport: Transport): Administration {
  const ask = <T>(schema: { Check(value: unknown): value is T }, request: Call): Promise<T> =>
    call(transport, home(transport), request).then((answer) => checked(schema, answer))
  return {
    createKey: (creation) => ask(schemas.created, { method: 'POST', path: KEYS, ...jsonBody(creation) }),
    listKeys: (query = {}) => ask(schemas.keys, { path: withQuery(KEYS, query) }),
    revokeKey: (keyId) => ask(schemas.key, { method: 'DELETE', path: `${KEYS}/${encodeURIComponent(keyId)}` }),
    recordVulnerabilities: (vulnerabilities) =>
      ask(schemas.recorded, { method: 'POST', path: VULNERABILITIES, ...jsonBody({ vulnerabilities }) }),
    listVulnerabilities: (query = {}) => ask(schemas.vulnerabilities, { path: withQuery(VULNERABILITIES, query) }),
    removeVulnerability: (cell_type, id) => {
      const path = withQuery(`${VULNERABILITIES}/${encodeURIComponent(id)}`, { cell_type })
      return ask(schemas.vulnerability, { method: 'DELETE', path })
    },
    audit: (query = {}) => ask(schemas.audit, { path: withQuery('/api/v1/audit', query) }),
  }
}
