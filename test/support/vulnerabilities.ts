import type { Vulnerabilities } from '../../src/domain/cells/vulnerabilities.ts'

/** What a node knows of whose cells nothing was recorded. */
export const NO_VULNERABILITIES: Pick<Vulnerabilities, 'openCritical' | 'worstOpen' | 'of'> = {
  openCritical: () => undefined,
  worstOpen: () => undefined,
  of: () => [],
}
