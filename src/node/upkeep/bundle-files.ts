import { type Static, Type } from 'typebox'
import { RegistrationProof } from '../../../protocol/cells.ts'
import { OfferedCell } from '../../../protocol/rpc-cells.ts'

/**
 * A bundle is a tar archive: `bundle.json` (a `BundleHead`) first; then `publishers/<publisher>.json` (RFC 8785 text of `PublisherKeys`),
 * `yanks/<cell id>-<publisher>.txt` (a yank token), and for each cell `cells/<cell id>.json` (a {@link BundledCell}) followed by
 * `packages/<digest>`, unless a cell before has the same package.
 */
export const HEAD_FILE = 'bundle.json'
export const publisherFile = (publisher: string): string => `publishers/${publisher}.json`
export const yankFile = (id: string, publisher: string): string =>
  `yanks/${id.slice(0, 40)}-${publisher.slice(0, 40)}.txt`
export const cellFile = (id: string): string => `cells/${id}.json`
export const packageFile = (digest: string): string => `packages/${digest}`

/** Kinds of entries, by their names. */
export const ENTRY =
  /^(?:bundle\.json|(publishers|yanks|cells)\/[0-9a-f-]{1,90}\.(?:json|txt)|(packages)\/([0-9a-f]{64}))$/

/** A cell of a bundle. */
export const BundledCell = Type.Object({
  cell: OfferedCell,
  /** That a provider registered it, where the maker of the bundle can prove that. */
  registration: Type.Optional(RegistrationProof),
})
export type BundledCell = Static<typeof BundledCell>

/** Bytes of an entry that is no package at most: manifest, signature and proof of the largest cell are far smaller. */
export const ENTRY_BYTES = 2 * 1024 * 1024
/** Cells whose package has not come yet, at most: they are kept in memory. A bundle has each package right behind its cell. */
export const WAITING_CELLS = 64
