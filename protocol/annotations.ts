import { type Static, Type } from 'typebox'

const Text = Type.String({ maxLength: 2000 })
const Link = Type.String({ maxLength: 2048, pattern: '^https://' })

/** What a cell is expected to use; declared by its publisher, or measured by a node. */
export const PerformanceCharacteristics = Type.Object({
  typical_memory_mb: Type.Optional(Type.Union([Type.Number({ minimum: 0 }), Type.Null()])),
  typical_startup_ms: Type.Optional(Type.Union([Type.Number({ minimum: 0 }), Type.Null()])),
})

/** `active` cells are resolved to; `deprecated` ones only when nothing else fits; `in_testing` ones only by exact version. */
export const CellStatus = Type.Union([Type.Literal('active'), Type.Literal('deprecated'), Type.Literal('in_testing')])
export type CellStatus = Static<typeof CellStatus>

/** A status as it is shown: what was set, unless the cell is yanked. A yanked cell is never resolved to. */
export const ShownStatus = Type.Union([...CellStatus.anyOf, Type.Literal('yanked')])
export type ShownStatus = Static<typeof ShownStatus>

/** What a provider says about a cell, outside the publisher's signature. Links must be https. */
export const Annotations = Type.Object({
  description: Type.Optional(Text),
  tags: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 32 })),
  license: Type.Optional(Type.String({ maxLength: 128 })),
  documentation_url: Type.Optional(Link),
  repository_url: Type.Optional(Link),
  issue_tracker_url: Type.Optional(Link),
  /** Declared performance; what a node measured itself ranks before it. */
  performance: Type.Optional(PerformanceCharacteristics),
})
export type Annotations = Static<typeof Annotations>

/** What a node found in a `wasm` module or component. */
export const WasmReport = Type.Object({
  kind: Type.Union([Type.Literal('module'), Type.Literal('component')]),
  imports: Type.Array(Type.Object({ module: Type.String(), name: Type.String(), kind: Type.String() })),
  exports: Type.Array(Type.Object({ name: Type.String(), kind: Type.String() })),
  /** Bytes of linear memory at the start: the sum of the declared minima. Null for components. */
  memory_min_bytes: Type.Union([Type.Number(), Type.Null()]),
  /** Bytes of linear memory at most; null when a memory declares no maximum. */
  memory_max_bytes: Type.Union([Type.Number(), Type.Null()]),
  /** Milliseconds to compile on this node. Null for components. */
  compile_ms: Type.Union([Type.Number(), Type.Null()]),
  /** Milliseconds to instantiate on this node, with imports that do nothing: the median of a few. Absent until it was tried. */
  start_ms: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
  /** Bytes of linear memory after that; null where a memory cannot be seen from outside. */
  memory_after_start_bytes: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
  /** Why it could not be started; null when it was. */
  start_failure: Type.Optional(Type.Union([Type.String(), Type.Null()])),
})
export type WasmReport = Static<typeof WasmReport>

/** What a node found in a `container`: an OCI image layout. */
export const ContainerReport = Type.Object({
  kind: Type.Literal('container'),
  /** `os/architecture[/variant]` of each image manifest, where its configuration says so. */
  platforms: Type.Array(Type.String()),
  manifests: Type.Integer(),
  layers: Type.Integer(),
  /** Entries of the layout and of all layers. */
  entries: Type.Integer(),
  /** Bytes of all files after unpacking, layers included. */
  unpacked_bytes: Type.Integer(),
})
export type ContainerReport = Static<typeof ContainerReport>

/** What a node found in a `qcc` archive. */
export const ArchiveReport = Type.Object({
  kind: Type.Literal('archive'),
  entries: Type.Integer(),
  /** Bytes of all files after unpacking. */
  unpacked_bytes: Type.Integer(),
})
export type ArchiveReport = Static<typeof ArchiveReport>

/** What a node found in a `document`. */
export const DocumentReport = Type.Object({
  kind: Type.Literal('document'),
  /** Unicode code points. */
  characters: Type.Integer(),
})
export type DocumentReport = Static<typeof DocumentReport>

/** What the validator of a plugin found. */
export const OtherReport = Type.Object({
  kind: Type.Literal('other'),
  details: Type.Object({}, { additionalProperties: true }),
})
export type OtherReport = Static<typeof OtherReport>

/** What a node found when it opened a package. Measured here, never taken from a peer. */
export const PackageReport = Type.Union([WasmReport, ContainerReport, ArchiveReport, DocumentReport, OtherReport])
export type PackageReport = Static<typeof PackageReport>

/** One finding of a validation (Provider API, "Register New Cell"). */
export const ValidationIssue = Type.Object({
  severity: Type.Union([Type.Literal('error'), Type.Literal('warning')]),
  code: Type.String(),
  message: Type.String(),
  location: Type.String(),
})
export type ValidationIssue = Static<typeof ValidationIssue>

/** Every finding, and the checks that passed. */
export const ValidationResults = Type.Object({
  issues: Type.Array(ValidationIssue),
  passed_checks: Type.Array(Type.String()),
})
export type ValidationResults = Static<typeof ValidationResults>
