import { satisfies } from 'semver'
import type { CellAnswer } from '../../protocol/cells.ts'
import type { Manifest } from '../../protocol/manifest.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { manifestDigest, parseManifest, verifyManifest } from '../kernel/identity/manifest-signature.ts'
import type { PublisherVerdict } from '../kernel/identity/publisher-signature.ts'
import { pureVerifier } from '../kernel/identity/verify-pure.ts'
import { IntegrityError } from './errors.ts'

/** What the caller asked for and trusts, against which an answer is checked. */
export interface Expectation {
  readonly network: string
  readonly by: 'capability' | 'cell_type'
  readonly name: string
  /** Range that was asked for; undefined when any version will do. */
  readonly range: string | undefined
  /** The only publishers that are accepted; undefined accepts any. */
  readonly publishers: readonly string[] | undefined
  /** Whether the signature must hold against a quantum computer as well (`security_level` `maximum`). */
  readonly hybrid: boolean
}

/** A cell whose signature, identity and fit were checked here, without trusting the node that answered. */
export type Cell = CellAnswer & {
  /** Base URL of the node that answered. */
  readonly node: string
  /** Whether the publisher signed, or a provider for somebody without keys. */
  readonly signed_by: PublisherVerdict['kind']
  /** Algorithms of the signature. */
  readonly algorithms: PublisherVerdict['algorithms']
}

/** What an answer says about a cell beside its manifest. */
interface Claims {
  readonly cell_id: string
  readonly cell_type: string
  readonly version: string
  readonly digest: string
  readonly publisher: string
}

/**
 * Checks a manifest, its signature and what the answer claims beside it. Nothing outside the answer is needed.
 * Throws `IntegrityError`.
 */
export function verifySigned(network: string, node: string, claims: Claims, manifest: unknown, token: string) {
  let parsed: Manifest
  let verdict: PublisherVerdict
  try {
    parsed = parseManifest(manifest)
    verdict = verifyManifest(pureVerifier, network, parsed, token)
  } catch (error) {
    throw broken(node, errorMessage(error), error)
  }
  equal(node, 'cell_id', claims.cell_id, manifestDigest(parsed))
  equal(node, 'publisher', claims.publisher, verdict.publisher)
  equal(node, 'cell_type', claims.cell_type, parsed.cell_type)
  equal(node, 'version', claims.version, parsed.version)
  equal(node, 'digest', claims.digest, parsed.package.digest)
  return { manifest: parsed, verdict }
}

/**
 * Turns an answer into a {@link Cell}: the manifest is signed by its publisher, the answer repeats it truly, and it is what was asked
 * for. `capabilities` and `dependencies` of the answer's metadata are replaced by those of the manifest. Throws `IntegrityError`.
 */
export function verifyAnswer(answer: CellAnswer, node: string, expected: Expectation): Cell {
  const { manifest, verdict } = verifySigned(expected.network, node, answer, answer.manifest, answer.signature)
  equal(node, 'size_bytes', answer.size_bytes, manifest.package.size)
  equal(node, 'packaging_format', answer.packaging_format, manifest.packaging_format)
  if (expected.publishers !== undefined && !expected.publishers.includes(verdict.publisher)) {
    throw new IntegrityError(`${node} offers a cell of the publisher ${verdict.publisher}, who is not accepted`, {
      code: 'UNTRUSTED_PUBLISHER',
      node,
    })
  }
  if (expected.hybrid && !verdict.algorithms.includes('ml-dsa-65')) {
    throw broken(node, `its signature is ${verdict.algorithms.join(', ')} only, security level maximum needs ml-dsa-65`)
  }
  const capability = manifest.capabilities.find(({ name }) => name === answer.capability)
  if (capability === undefined) throw broken(node, `the manifest does not offer ${answer.capability}`)
  const [found, version] =
    expected.by === 'capability' ? [capability.name, capability.version] : [manifest.cell_type, manifest.version]
  equal(node, expected.by, found, expected.name)
  if (expected.range !== undefined && !satisfies(version, expected.range)) {
    throw broken(node, `version ${version} of ${found} is outside ${expected.range}`)
  }
  return {
    ...answer,
    manifest,
    metadata: {
      ...answer.metadata,
      capabilities: manifest.capabilities.map((item) => ({ name: item.name, version: item.version })),
      dependencies: manifest.dependencies,
    },
    node,
    signed_by: verdict.kind,
    algorithms: verdict.algorithms,
  }
}

function equal(node: string, field: string, found: string | number, wanted: string | number): void {
  if (found !== wanted) throw broken(node, `${field} is ${found}, it should be ${wanted}`)
}

const broken = (node: string, reason: string, cause?: unknown): IntegrityError =>
  new IntegrityError(`${node} sent a cell that does not hold: ${reason}`, { node, cause })
