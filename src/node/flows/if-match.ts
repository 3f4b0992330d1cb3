import { etagOf } from '../../domain/memory/agent-states.ts'

/** Whether a header `If-Match` (RFC 9110 §13.1.1) names this version. `*` is any that was ever written; weak tags match nothing. */
export function matchesTag(header: string, version: number): boolean {
  if (header.trim() === '*') return version > 0
  return header.split(',').some((tag) => tag.trim() === etagOf(version))
}
