import { type Static, Type } from 'typebox'
import { ConstraintId, Jurisdiction, OperatorId } from './assurance.ts'
import { Base64Url, Name, Sha256Hex, Timestamp } from './fields.ts'

/** Signed conditions that a question or its answer has to fulfil: `README.md`, "Constraints". */

const closed = { additionalProperties: false } as const

/** Limits of constraints, each with its reason. */
export const CONSTRAINT_LIMITS = {
  /** Bytes of a constraint in canonical form: a schema of some pages. */
  bytes: 16 * 1024,
  /** Constraints of everybody, and of one operator. */
  global: 500,
  perOperator: 100,
  /** Of all operators, whose number nothing else bounds: they are in memory, with 16 KiB each at worst. */
  ofOperators: 1500,
  /** Characters of an expression, and instructions of its program (RE2): the work of a search is their product with the length of the text. */
  pattern: 512,
  program: 200,
} as const

const Pattern = Type.Object(
  {
    /** RE2 syntax, found anywhere in the text. */
    pattern: Type.String({ minLength: 1, maxLength: CONSTRAINT_LIMITS.pattern }),
    target: Type.Union([Type.Literal('query'), Type.Literal('result')]),
    case_insensitive: Type.Optional(Type.Boolean()),
  },
  closed,
)

const base = {
  format: Type.Literal(1),
  constraint_id: ConstraintId,
  version: Type.Integer({ minimum: 1 }),
  description: Type.Optional(Type.String({ maxLength: 500 })),
} as const
const signed = {
  /** Of who wrote it: Ed25519, 32 bytes. */
  public_key: Base64Url,
  /** Over all but itself (context `constraint`). */
  signature: Base64Url,
} as const

const json = {
  kind: Type.Literal('json_schema'),
  parameters: Type.Object({ schema: Type.Record(Type.String(), Type.Unknown()) }, closed),
}
const required = { kind: Type.Literal('required_pattern'), parameters: Pattern }
const forbidden = { kind: Type.Literal('forbidden_pattern'), parameters: Pattern }
const citation = {
  kind: Type.Literal('required_citation'),
  parameters: Type.Object(
    {
      /** Different cells that have to be cited. Default 1. */
      minimum: Type.Optional(Type.Integer({ minimum: 1, maximum: 32 })),
      /** Of this publisher, where one is named. */
      publisher: Type.Optional(Sha256Hex),
      cell_type: Type.Optional(Name),
    },
    closed,
  ),
}
const jurisdiction = {
  kind: Type.Literal('jurisdiction_match'),
  parameters: Type.Object(
    { jurisdictions: Type.Array(Jurisdiction, { minItems: 1, maxItems: 64, uniqueItems: true }) },
    closed,
  ),
}
const length = {
  kind: Type.Literal('maximum_length'),
  /** UTF-16 code units of the result. */
  parameters: Type.Object({ characters: Type.Integer({ minimum: 1, maximum: 16_384 }) }, closed),
}
const sources = {
  kind: Type.Literal('allowed_sources'),
  /** Sources fulfil it that are of one of the publishers, or of one of the cells. */
  parameters: Type.Object(
    {
      publishers: Type.Optional(Type.Array(Sha256Hex, { maxItems: 64, uniqueItems: true })),
      /** `<publisher>/<cell type>` */
      cells: Type.Optional(
        Type.Array(Type.String({ pattern: '^[0-9a-f]{64}/[a-z0-9][a-z0-9._-]{0,127}$' }), {
          maxItems: 64,
          uniqueItems: true,
        }),
      ),
    },
    { ...closed, minProperties: 1 },
  ),
}

/** A constraint as it is signed. */
export const Constraint = Type.Union(
  [
    Type.Object({ ...base, ...json, ...signed }, closed),
    Type.Object({ ...base, ...required, ...signed }, closed),
    Type.Object({ ...base, ...forbidden, ...signed }, closed),
    Type.Object({ ...base, ...citation, ...signed }, closed),
    Type.Object({ ...base, ...jurisdiction, ...signed }, closed),
    Type.Object({ ...base, ...length, ...signed }, closed),
    Type.Object({ ...base, ...sources, ...signed }, closed),
  ],
  { title: 'Constraint' },
)
export type Constraint = Static<typeof Constraint>

/** Body of `POST /api/v1/constraints`: for everybody, unless an operator is named. */
export const ConstraintOrder = Type.Object(
  { constraint: Constraint, operator_id: Type.Optional(OperatorId) },
  { ...closed, title: 'ConstraintOrder' },
)
export type ConstraintOrder = Static<typeof ConstraintOrder>

/** A constraint that is in force. */
export const RegisteredConstraint = Type.Object(
  {
    constraint: Constraint,
    /** Null: everybody. */
    operator_id: Type.Union([OperatorId, Type.Null()]),
    /** SHA-256 of the constraint's RFC 8785 text, with its signature. */
    digest: Sha256Hex,
    registered_at: Timestamp,
    registered_by: Type.String(),
  },
  { title: 'RegisteredConstraint' },
)
export type RegisteredConstraint = Static<typeof RegisteredConstraint>

export const ConstraintList = Type.Object(
  { constraints: Type.Array(RegisteredConstraint) },
  { title: 'ConstraintList' },
)
export type ConstraintList = Static<typeof ConstraintList>

export const ConstraintListQuery = Type.Object({ operator_id: Type.Optional(OperatorId) }, closed)
export type ConstraintListQuery = Static<typeof ConstraintListQuery>

export const ConstraintName = Type.Object({ constraint_id: ConstraintId }, closed)
