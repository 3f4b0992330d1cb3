import { type Static, Type } from 'typebox'
import { Base64Url, Digest, NAME_PATTERN, Name, SemVer, SemVerRange, Sha256Hex } from './fields.ts'
import { LIMITS } from './limits.ts'

const closed = { additionalProperties: false } as const
const Text = Type.String({ maxLength: 2000 })

/** A parameter of a capability (Provider API, "Get Cell Details"). */
const Parameter = Type.Object(
  {
    name: Type.String({ maxLength: 128 }),
    type: Type.String({ maxLength: 128 }),
    required: Type.Optional(Type.Boolean()),
    default: Type.Optional(Type.Unknown()),
    description: Type.Optional(Text),
  },
  closed,
)

/** An input or output of a capability (Provider API, "Get Cell Details"). */
const Port = Type.Object(
  {
    name: Type.String({ maxLength: 128 }),
    type: Type.String({ maxLength: 128 }),
    format: Type.Optional(Type.String({ maxLength: 128 })),
    description: Type.Optional(Text),
  },
  closed,
)

/** What a cell can do, and in which version of that ability. */
export const Capability = Type.Object(
  {
    name: Name,
    version: SemVer,
    description: Type.Optional(Text),
    parameters: Type.Optional(Type.Array(Parameter, { maxItems: 64 })),
    inputs: Type.Optional(Type.Array(Port, { maxItems: 64 })),
    outputs: Type.Optional(Type.Array(Port, { maxItems: 64 })),
  },
  closed,
)
export type Capability = Static<typeof Capability>

/** A capability that a cell needs from another cell. The constraint is a range over the capability's version. */
export const Dependency = Type.Object({ capability: Name, version_constraint: SemVerRange }, closed)
export type Dependency = Static<typeof Dependency>

/** What a cell needs from the device that runs it. Absent means: no requirement. */
export const Requirements = Type.Object(
  {
    /** Platforms that it runs on, compared with `device_info.platform`; absent or empty means any. */
    platforms: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 32 })),
    memory_gb: Type.Optional(Type.Number({ minimum: 0 })),
    cpu_cores: Type.Optional(Type.Number({ minimum: 0 })),
    gpu: Type.Optional(Type.Boolean()),
  },
  closed,
)
export type Requirements = Static<typeof Requirements>

/** The bytes that a manifest stands for. */
export const PackageRef = Type.Object(
  {
    digest: Digest,
    /** Bytes. */
    size: Type.Integer({ minimum: 1, maximum: LIMITS.packageBytes }),
    /** Bytes of every chunk but the last. */
    chunk_size: Type.Literal(LIMITS.chunkBytes),
    /** RFC 9162 tree root over the chunks: leaf = SHA-256(0x00 ‖ chunk), node = SHA-256(0x01 ‖ left ‖ right). */
    chunks_root: Sha256Hex,
  },
  closed,
)
export type PackageRef = Static<typeof PackageRef>

/**
 * A cell's manifest, format 1: everything about a cell that its publisher vouches for. Its identity is the SHA-256 of its
 * RFC 8785 bytes. Unknown fields are refused, because it is signed.
 */
export const Manifest = Type.Object(
  {
    format: Type.Literal(1),
    /** The publisher: SHA-256 of its first key record. */
    publisher: Sha256Hex,
    cell_type: Name,
    version: SemVer,
    capabilities: Type.Array(Capability, { minItems: 1, maxItems: LIMITS.manifestCapabilities }),
    dependencies: Type.Array(Dependency, { maxItems: LIMITS.manifestDependencies }),
    requirements: Requirements,
    packaging_format: Name,
    media_type: Type.String({ pattern: '^[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*$', maxLength: 128 }),
    /** Free attributes that are part of what is signed (domain, jurisdiction, evaluator ABI, …). */
    labels: Type.Record(Type.String({ pattern: NAME_PATTERN }), Type.String({ maxLength: 512 }), {
      maxProperties: LIMITS.manifestLabels,
      additionalProperties: false,
    }),
    package: PackageRef,
  },
  closed,
)
export type Manifest = Static<typeof Manifest>

/** `ed25519`, or the post-quantum half of a hybrid signature (FIPS 204). */
export const SignatureAlgorithm = Type.Union([Type.Literal('ed25519'), Type.Literal('ml-dsa-65')])
export type SignatureAlgorithm = Static<typeof SignatureAlgorithm>

const SigningKey = Type.Object({ algorithm: SignatureAlgorithm, public_key: Base64Url }, closed)

/**
 * A publisher's keys. The publisher *is* the SHA-256 of its record with number 0. A later record is signed by the recovery
 * key whose hash the record before holds; the highest number wins.
 */
export const KeyRecord = Type.Object(
  {
    format: Type.Literal(1),
    /** `provider`: the keys belong to a node that signs for those who registered without keys of their own. */
    kind: Type.Union([Type.Literal('publisher'), Type.Literal('provider')]),
    number: Type.Integer({ minimum: 0 }),
    /** SHA-256 of the record before; null in record 0. */
    previous: Type.Union([Sha256Hex, Type.Null()]),
    signing_keys: Type.Array(SigningKey, { minItems: 1, maxItems: 8 }),
    /** Every one of these must have signed a manifest. */
    required_algorithms: Type.Array(SignatureAlgorithm, { minItems: 1, maxItems: 2 }),
    /** SHA-256 of the Ed25519 recovery key that may sign the next record. */
    recovery_key_hash: Sha256Hex,
    /** From record 1 on: manifests that the record before signed at or after this position of the publisher's log are void. */
    revoked_from: Type.Optional(Type.Integer({ minimum: 0 })),
    /** From record 1 on: the recovery key, revealed, and its signature over this record with `recovery` reduced to the key. */
    recovery: Type.Optional(Type.Object({ public_key: Base64Url, signature: Base64Url }, closed)),
  },
  closed,
)
export type KeyRecord = Static<typeof KeyRecord>

/**
 * The content of a manifest signature token, `cs1.<base64url(RFC 8785 bytes)>`: the publisher's key records from the first
 * one on, and one signature per required algorithm over the manifest (context `manifest`).
 */
export const ManifestSignature = Type.Object(
  {
    key_records: Type.Array(KeyRecord, { minItems: 1, maxItems: LIMITS.keyRecords }),
    signatures: Type.Array(
      Type.Object({ algorithm: SignatureAlgorithm, public_key: Base64Url, signature: Base64Url }, closed),
      { minItems: 1, maxItems: 2 },
    ),
  },
  closed,
)
export type ManifestSignature = Static<typeof ManifestSignature>

/** The form of a manifest signature where it travels: `signature` in answers, `manifest_signature` in an upload. */
export const SignatureToken = Type.String({
  pattern: '^cs1\\.[A-Za-z0-9_-]+$',
  maxLength: LIMITS.manifestSignatureBytes,
})
