/** Versions of the HTTP API ("API Contracts", section 8): `/api/v1/` is current, `/api/v2-beta/` is where new things are tried. */

/** Where new things are tried, when there are any. */
export const BETA_VERSION = 'v2-beta'

/** A route that goes: told half a year before it is deprecated, and served for a year after that was announced. */
export interface DeprecatedRoute {
  readonly method: string
  /** As in the OpenAPI document: `/api/v1/cells/request/{request_id}`. */
  readonly path: string
  /** From when on it should not be used any more, ISO 8601 in UTC: the header `Deprecation` (RFC 9745). */
  readonly deprecated: string
  /** When it ends: the header `Sunset` (RFC 8594). */
  readonly sunset: string
  /** What to do instead: the header `Link`, with `rel="deprecation"`. */
  readonly guide: string
}

/** Routes that go. */
export const DEPRECATED_ROUTES: readonly DeprecatedRoute[] = []
