import { Type } from 'typebox'
import { LIMITS } from './limits.ts'

/** Cell types and capability names. */
export const NAME_PATTERN = '^[a-z0-9][a-z0-9._-]{0,127}$'

/** A semantic version (2.0.0) without build metadata. */
export const SEMVER_PATTERN =
  '^(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)(-((0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(\\.(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*))?$'

export const Name = Type.String({ pattern: NAME_PATTERN, maxLength: LIMITS.nameLength })
export const SemVer = Type.String({ pattern: SEMVER_PATTERN, maxLength: 128, examples: ['1.4.2'] })
/** An npm semver range, such as `>=1.2.0 <2`. */
export const SemVerRange = Type.String({ maxLength: 256, examples: ['^1.0.0'] })
/** SHA-256, lower-case hexadecimal. */
export const Sha256Hex = Type.String({ pattern: '^[0-9a-f]{64}$' })
/** A content digest. */
export const Digest = Type.String({ pattern: '^sha256:[0-9a-f]{64}$' })
/** base64url without padding. */
export const Base64Url = Type.String({ pattern: '^[A-Za-z0-9_-]+$' })
/** ISO 8601 in UTC. */
export const Timestamp = Type.String({ examples: ['2026-01-31T12:00:00.000Z'] })
/** The PeerId string of a node. */
export const ProviderId = Type.String({
  pattern: '^[1-9A-HJ-NP-Za-km-z]{46,62}$',
  examples: ['12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX'],
})
/** Unix milliseconds. */
export const Milliseconds = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

/** Number of a request, which its answer has, too: unique among those under way on a stream. */
export const Correlation = { id: Type.Integer({ minimum: 0, maximum: 0xffffffff }) }
