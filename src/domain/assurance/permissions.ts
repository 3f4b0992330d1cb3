import type { QueryPayload } from '../../../protocol/assurance.ts'
import type { Operator } from '../../../protocol/operators.ts'
import { ProviderError } from '../../kernel/base/errors.ts'

/**
 * Refuses what an operator may not ask about: another domain, or another jurisdiction than its permission names. A country covers its
 * subdivisions, not the other way round. Who may ask about some only has to name one. Throws `PROV_015`.
 */
export function checkPermission({ permissions }: Operator, { context }: QueryPayload): void {
  const { domain, jurisdiction } = context
  const permission = permissions.find((one) => one.domain === domain)
  if (permission === undefined) {
    const allowed = permissions.map((one) => one.domain).join(', ')
    throw new ProviderError('PROV_015', `the domain ${domain} is not permitted, allowed are ${allowed}`)
  }
  const { jurisdictions } = permission
  if (jurisdictions === null) return
  if (jurisdiction !== undefined && jurisdictions.some((one) => covers(one, jurisdiction))) return
  const found = jurisdiction === undefined ? 'no jurisdiction' : `the jurisdiction ${jurisdiction}`
  throw new ProviderError('PROV_015', `found ${found}, allowed in ${domain} are ${jurisdictions.join(', ')}`)
}

const covers = (permitted: string, asked: string): boolean => asked === permitted || asked.startsWith(`${permitted}-`)
