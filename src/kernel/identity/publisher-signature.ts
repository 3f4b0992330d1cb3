import type { SignatureContext } from '../../../protocol/contexts.ts'
import type { KeyRecord, ManifestSignature, SignatureAlgorithm } from '../../../protocol/manifest.ts'
import { fromBase64Url, toBase64Url, utf8 } from '../base/bytes.ts'
import { canonicalJson } from '../base/canonical-json.ts'
import { errorMessage, ProviderError } from '../base/errors.ts'
import { type SchemaError, schemaFinding } from '../base/schema-findings.ts'
import { parseStrictJson } from '../base/strict-json.ts'
import { verifyKeyRecords } from './publisher.ts'
import { decoded, signedBytes } from './signed.ts'
import type { SignatureVerifier } from './verify-pure.ts'

/** What publishers sign, and the tokens in which their signatures travel. Browser-safe. */

/** Who vouches for something signed. */
export interface PublisherVerdict {
  /** SHA-256 of the publisher's first key record. */
  readonly publisher: string
  /** `provider` when a node signed for somebody without keys. */
  readonly kind: KeyRecord['kind']
  /** What it is signed with: all that the publisher's current record requires. */
  readonly algorithms: SignatureAlgorithm[]
}

/** A kind of token: its first characters, its length at most, and the form of its content. */
export interface TokenKind<Content> {
  readonly prefix: string
  /** As error messages say it. */
  readonly name: string
  readonly maxLength: number
  readonly schema: { Check(value: unknown): value is Content; Errors(value: unknown): SchemaError[] }
}

/** The prefix, and the base64url of the content's RFC 8785 bytes. */
export const encodeToken = <Content>({ prefix }: Pick<TokenKind<Content>, 'prefix'>, content: Content): string =>
  prefix + toBase64Url(utf8(canonicalJson(content)))

/**
 * The content of a token. Every content has one spelling: what {@link encodeToken} would not write is refused. Throws `ProviderError`
 * `PROV_001`.
 */
export function decodeToken<Content>(kind: TokenKind<Content>, token: string): Content {
  const { prefix, name, maxLength, schema } = kind
  if (token.length > maxLength) {
    throw malformed(`${name} has ${token.length} characters, at most ${maxLength} are allowed`)
  }
  if (!token.startsWith(prefix)) throw malformed(`${name} must start with "${prefix}"`)
  let json: unknown
  try {
    json = parseStrictJson(fromBase64Url(token.slice(prefix.length)))
  } catch (error) {
    throw malformed(`${name} cannot be read: ${errorMessage(error)}`)
  }
  if (!schema.Check(json)) throw malformed(schemaFinding(name, json, schema.Errors(json)))
  if (encodeToken(kind, json) !== token) throw malformed(`${name} is not in canonical form (RFC 8785)`)
  return json
}

/**
 * Verifies that a publisher signed `object`, which names it: the key records hold and are that publisher's, and for each algorithm that
 * the current record requires, in that order, there is one signature by a listed key; nothing is missing and nothing extra. `what` is what
 * messages call the object. Throws `ProviderError` `PROV_005`.
 *
 * `revoked_from` is not applied here: it speaks of positions in the publisher's log, which a single token does not carry.
 */
export function verifyPublisherSignature(
  verifier: SignatureVerifier,
  network: string,
  signed: {
    readonly what: string
    readonly context: SignatureContext
    readonly object: { readonly publisher: string }
  },
  { key_records: records, signatures }: ManifestSignature,
): PublisherVerdict {
  const { what, context, object } = signed
  const { publisher, current } = verifiedPublisher(verifier, network, what, records)
  if (object.publisher !== publisher) {
    throw invalid(`the ${what} names the publisher ${object.publisher}, its signature belongs to ${publisher}`)
  }
  const required = current.required_algorithms
  const given = signatures.map((signature) => signature.algorithm)
  if (given.join() !== required.join()) {
    throw invalid(`the ${what} is signed with ${given.join(', ')}; its publisher requires ${required.join(', ')}`)
  }
  const message = signedBytes(network, context, object)
  for (const { algorithm, public_key: key, signature } of signatures) {
    if (!current.signing_keys.some((listed) => listed.algorithm === algorithm && listed.public_key === key)) {
      throw invalid(`the ${what}'s ${algorithm} signature is by a key that its publisher does not list`)
    }
    if (!verifyBytes(verifier, algorithm, decoded(key), message, decoded(signature))) {
      throw invalid(`the ${what}'s ${algorithm} signature is wrong for the network ${network}`)
    }
  }
  return { publisher, kind: current.kind, algorithms: required }
}

function verifiedPublisher(
  verifier: SignatureVerifier,
  network: string,
  what: string,
  records: readonly KeyRecord[],
): ReturnType<typeof verifyKeyRecords> {
  try {
    return verifyKeyRecords(verifier, network, records)
  } catch (error) {
    throw invalid(`the ${what}'s publisher cannot be verified: ${errorMessage(error)}`)
  }
}

function verifyBytes(
  verifier: SignatureVerifier,
  algorithm: SignatureAlgorithm,
  key: Uint8Array | undefined,
  message: Uint8Array,
  signature: Uint8Array | undefined,
): boolean {
  if (key === undefined || signature === undefined) return false
  return algorithm === 'ed25519' ? verifier.ed25519(key, message, signature) : verifier.mlDsa65(key, message, signature)
}

const malformed = (message: string): ProviderError => new ProviderError('PROV_001', message)
const invalid = (message: string): ProviderError => new ProviderError('PROV_005', message)
