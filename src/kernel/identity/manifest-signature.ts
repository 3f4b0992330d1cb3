import { sha256 } from '@noble/hashes/sha2.js'
import { valid, validRange } from 'semver'
import { CONTEXTS } from '../../../protocol/contexts.ts'
import { NAME_PATTERN } from '../../../protocol/fields.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { Manifest, ManifestSignature } from '../../../protocol/manifest.ts'
import { toHex, utf8 } from '../base/bytes.ts'
import { canonicalJson } from '../base/canonical-json.ts'
import { checkerOf } from '../base/checker.ts'
import { errorMessage, ProviderError } from '../base/errors.ts'
import { schemaFinding } from '../base/schema-findings.ts'
import {
  decodeToken,
  encodeToken,
  type PublisherVerdict,
  type TokenKind,
  verifyPublisherSignature,
} from './publisher-signature.ts'
import type { SignatureVerifier } from './verify-pure.ts'

/** Manifests and the tokens that sign them. Browser-safe. */

const manifestSchema = checkerOf(Manifest)
const signatureSchema = checkerOf(ManifestSignature)
const MANIFEST_TOKEN: TokenKind<ManifestSignature> = {
  prefix: 'cs1.',
  name: 'manifest signature',
  maxLength: LIMITS.manifestSignatureBytes,
  schema: signatureSchema,
}

/** Nesting of a manifest: half of any document's, because it travels inside answers. */
const MANIFEST_DEPTH = LIMITS.jsonDepth / 2
const LABEL_NAME = new RegExp(NAME_PATTERN)

/**
 * A manifest of format 1 from parsed JSON. Beyond its schema: canonical form at most `LIMITS.manifestBytes`, versions and ranges that
 * npm's semver accepts, no capability and no dependency twice. Throws `ProviderError` `PROV_001`, which names the field, what was found and what is allowed.
 */
export function parseManifest(json: unknown): Manifest {
  if (isDeeper(json, MANIFEST_DEPTH)) throw malformed(`manifest is nested deeper than ${MANIFEST_DEPTH} levels`)
  if (!manifestSchema.Check(json)) throw malformed(schemaFinding('manifest', json, manifestSchema.Errors(json)))
  checkSize(json)
  for (const name of Object.keys(json.labels)) {
    // A record's pattern says what the values of matching names are; it does not forbid other names.
    if (!LABEL_NAME.test(name)) {
      throw malformed(
        `manifest.labels has a name that must match ${NAME_PATTERN}, found ${JSON.stringify(name.slice(0, 80))}`,
      )
    }
  }
  checkVersion('manifest.version', json.version)
  const names = new Set<string>()
  for (const [index, capability] of json.capabilities.entries()) {
    const field = `manifest.capabilities.${index}`
    checkVersion(`${field}.version`, capability.version)
    if (names.has(capability.name)) {
      throw malformed(`${field}.name repeats "${capability.name}"; a manifest lists a capability once`)
    }
    names.add(capability.name)
  }
  const needed = new Set<string>()
  for (const [index, { capability, version_constraint: range }] of json.dependencies.entries()) {
    const field = `manifest.dependencies.${index}`
    if (validRange(range) === null) {
      throw malformed(
        `${field}.version_constraint must be an npm semver range such as "^1.2.0", found ${JSON.stringify(range)}`,
      )
    }
    if (needed.has(capability)) {
      throw malformed(
        `${field}.capability repeats "${capability}"; a manifest lists a dependency once, with all its constraints`,
      )
    }
    needed.add(capability)
  }
  return json
}

/** SHA-256 of the manifest's RFC 8785 bytes, lower-case hexadecimal: the identity of the cell. */
export const manifestDigest = (manifest: Manifest): string => toHex(sha256(utf8(canonicalJson(manifest))))

/** The token of a manifest signature: `cs1.` and the base64url of its RFC 8785 bytes. */
export const encodeSignatureToken = (signature: ManifestSignature): string => encodeToken(MANIFEST_TOKEN, signature)

/**
 * The content of a manifest signature token. Every content has one spelling: what {@link encodeSignatureToken} would not write is
 * refused. Throws `ProviderError` `PROV_001`.
 */
export const decodeSignatureToken = (token: string): ManifestSignature => decodeToken(MANIFEST_TOKEN, token)

/** Whether a token, which was verified, holds against a quantum computer as well. */
export const isHybrid = (token: string): boolean => {
  const algorithms = decodeSignatureToken(token).signatures.map(({ algorithm }) => algorithm)
  return algorithms.includes('ed25519') && algorithms.includes('ml-dsa-65')
}

/**
 * Verifies that `token` signs `manifest`, as {@link verifyPublisherSignature} does. Throws `ProviderError`: `PROV_001` for a token that
 * cannot be read, `PROV_005` for one that does not hold.
 */
export function verifyManifest(
  verifier: SignatureVerifier,
  network: string,
  manifest: Manifest,
  token: string,
): PublisherVerdict {
  const signed = { what: 'manifest', context: CONTEXTS.manifest, object: manifest }
  return verifyPublisherSignature(verifier, network, signed, decodeSignatureToken(token))
}

function checkSize(manifest: Manifest): void {
  let bytes: number
  try {
    bytes = utf8(canonicalJson(manifest)).length
  } catch (error) {
    throw malformed(`manifest has no canonical form: ${errorMessage(error)}`)
  }
  if (bytes > LIMITS.manifestBytes) {
    throw malformed(`manifest has ${bytes} bytes in canonical form, at most ${LIMITS.manifestBytes} are allowed`)
  }
}

/** The schema's pattern admits numbers that are too large for npm's semver, which could then not be ordered. */
function checkVersion(field: string, version: string): void {
  if (valid(version) !== version)
    throw malformed(`${field} must be a semantic version, found ${JSON.stringify(version)}`)
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((item) => isDeeper(item, levels - 1))
}

const malformed = (message: string): ProviderError => new ProviderError('PROV_001', message)
