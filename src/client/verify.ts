import { satisfies } from 'semver'
import type { CellAnswer, CellResponse } from '../../protocol/cells.ts'
import type { Manifest } from '../../protocol/manifest.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { manifestDigest, parseManifest, verifyManifest } from '../kernel/identity/manifest-signature.ts'
import type { PublisherVerdict } from '../kernel/identity/publisher-signature.ts'
import { pureVerifier } from '../kernel/identity/verify-pure.ts'
import { verifyRegistration } from '../kernel/log/registration-proof.ts'
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
  /**
   * `security_level` `maximum`: the signature must hold against a quantum computer as well, and the provider's log must have the
   * registration.
   */
  readonly maximum: boolean
}

/**
 * A cell whose signature, identity and fit were checked here, without trusting the node that answered. What was asked for beside the cell is
 * that node's word: look each cell of a lock up by its id before you rely on it.
 */
export type Cell = CellAnswer &
  Pick<CellResponse, 'coverage' | 'explanation' | 'lock'> & {
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
  if (expected.maximum) verifyMaximum(expected.network, node, answer, verdict)
  const capability = manifest.capabilities.find(({ name }) => name === answer.capability)
  if (capability === undefined) throw broken(node, `the manifest does not offer ${answer.capability}`)
  const [found, version] =
    expected.by === 'capability' ? [capability.name, capability.version] : [manifest.cell_type, manifest.version]
  equal(node, expected.by, found, expected.name)
  if (expected.range !== undefined && !satisfies(version, expected.range)) {
    throw broken(node, `version ${version} of ${found} is outside ${expected.range}`)
  }
  // What was not verified is not handed on.
  const { log, ...verified } = answer
  return {
    ...verified,
    ...(expected.maximum && log !== undefined ? { log } : {}),
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

function verifyMaximum(network: string, node: string, answer: CellAnswer, { algorithms }: PublisherVerdict): void {
  if (!algorithms.includes('ml-dsa-65')) {
    throw broken(node, `its signature is ${algorithms.join(', ')} only, security level maximum needs ml-dsa-65`)
  }
  if (answer.log === undefined) throw broken(node, 'it brings no proof from a log, security level maximum needs one')
  try {
    const { provider } = answer.metadata
    verifyRegistration(pureVerifier, network, answer.log, { id: answer.cell_id, providerId: provider, now: Date.now() })
  } catch (error) {
    throw broken(node, errorMessage(error), error)
  }
}

function equal(node: string, field: string, found: string | number, wanted: string | number): void {
  if (found !== wanted) throw broken(node, `${field} is ${found}, it should be ${wanted}`)
}

const broken = (node: string, reason: string, cause?: unknown): IntegrityError =>
  new IntegrityError(`${node} sent a cell that does not hold: ${reason}`, { node, cause })
