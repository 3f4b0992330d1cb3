import { type Static, Type } from 'typebox'
import { Domain, Jurisdiction } from './assurance.ts'
import { Sha256Hex, Timestamp } from './fields.ts'

/** Whose documents questions are answered from (SECURITY 29). */

const closed = { additionalProperties: false } as const

/** Approvals of one node: publishers that somebody has read, for five domains. */
export const MAX_APPROVALS = 500

/** Body of `PUT /api/v1/assurance/approvals`. Says everything about the publisher in the domain anew. */
export const ApprovalOrder = Type.Object(
  {
    domain: Domain,
    publisher: Sha256Hex,
    /** Only documents that are labelled with one of these; null or absent: all. */
    jurisdictions: Type.Optional(
      Type.Union([Type.Array(Jurisdiction, { minItems: 1, maxItems: 64, uniqueItems: true }), Type.Null()]),
    ),
  },
  { ...closed, title: 'ApprovalOrder' },
)
export type ApprovalOrder = Static<typeof ApprovalOrder>

/** An approval of a publisher's documents. */
export const Approval = Type.Object(
  {
    domain: Domain,
    publisher: Sha256Hex,
    jurisdictions: Type.Union([Type.Array(Jurisdiction), Type.Null()]),
    approved_at: Timestamp,
    /** Who did: `admin` or `key:<id>`. */
    approved_by: Type.String(),
  },
  { title: 'Approval' },
)
export type Approval = Static<typeof Approval>

/** What `DELETE /api/v1/assurance/approvals` takes back. */
export const ApprovalName = Type.Object({ domain: Domain, publisher: Sha256Hex }, closed)
export type ApprovalName = Static<typeof ApprovalName>

export const ApprovalList = Type.Object({ approvals: Type.Array(Approval) }, { title: 'ApprovalList' })
export type ApprovalList = Static<typeof ApprovalList>
