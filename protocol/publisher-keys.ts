import { type Static, Type } from 'typebox'
import { LIMITS } from './limits.ts'
import { KeyRecord } from './manifest.ts'

/**
 * What nodes share of a publisher that has replaced its keys: its records from number 0 on. Of one that contradicted itself: the records that
 * are common to both sides, and two different ones that follow, in the order of their digests.
 */
export const PublisherKeys = Type.Object(
  {
    format: Type.Literal(1),
    records: Type.Array(KeyRecord, { minItems: 1, maxItems: LIMITS.keyRecords }),
    conflict: Type.Optional(Type.Array(KeyRecord, { minItems: 2, maxItems: 2 })),
  },
  { additionalProperties: false },
)
export type PublisherKeys = Static<typeof PublisherKeys>
