import { type Static, Type } from 'typebox'
import { ShownStatus } from './annotations.ts'
import { Base64Url, Milliseconds, Name, ProviderId, SemVer, Sha256Hex } from './fields.ts'
import { LIMITS } from './limits.ts'

const closed = { additionalProperties: false } as const

/** One cell that a node offers. The digest is that of the publisher-signed manifest, so a name without a cell attracts nobody. */
export const AnnouncedCell = Type.Object(
  {
    manifest_digest: Sha256Hex,
    publisher: Sha256Hex,
    cell_type: Name,
    version: SemVer,
    capabilities: Type.Array(Type.Object({ name: Name, version: SemVer }, closed), {
      minItems: 1,
      maxItems: LIMITS.manifestCapabilities,
    }),
    /** Absent: `active`. */
    status: Type.Optional(ShownStatus),
    /** Absent: the node registered the cell, or does not say. `true`: it holds a copy of what another node registered. */
    copy: Type.Optional(Type.Literal(true)),
    /** Counter of the publisher's yank that the node knows, or of its undoing. Who knows a lower one asks for it (`yank_request`). */
    yank_counter: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
  },
  closed,
)
export type AnnouncedCell = Static<typeof AnnouncedCell>

/**
 * One page of what a node offers, signed by its identity (context `announcement`). A page is replaced by the next one with
 * the same number and a higher sequence; an empty page withdraws. Sequences are Unix milliseconds, growing by at least
 * `LIMITS.announcementIntervalMs` per origin and page.
 */
export const Announcement = Type.Object(
  {
    type: Type.Literal('announcement'),
    provider_id: ProviderId,
    page: Type.Integer({ minimum: 0, maximum: 0xffffff }),
    sequence: Milliseconds,
    expires_at: Milliseconds,
    addresses: Type.Array(Type.String({ maxLength: 256 }), { maxItems: LIMITS.announcementAddresses }),
    /** Base of the node's HTTP API, where everybody may download the packages that it announces: `<http>/api/v1/cells/packages/<digest>`. */
    http: Type.Optional(Type.String({ pattern: '^https?://[^\\s/]\\S*$', maxLength: LIMITS.announcementUrl })),
    cells: Type.Array(AnnouncedCell, { maxItems: LIMITS.announcementCells }),
    signature: Base64Url,
  },
  closed,
)
export type Announcement = Static<typeof Announcement>
