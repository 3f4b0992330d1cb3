import type { RegistrationProof } from '../../protocol/cells.ts'
import type { CellDetails } from '../../protocol/repository.ts'
import { verifyProof } from '../client/proof-file.ts'
import { verifySigned } from '../client/verify.ts'
import { verifyAnswer } from '../client/verify-answer.ts'
import { fromBase64Url } from '../kernel/base/bytes.ts'
import { parseStrictJson } from '../kernel/base/strict-json.ts'
import { pureVerifier } from '../kernel/identity/verify-pure.ts'
import { verifyRegistration } from '../kernel/log/registration-proof.ts'

/** Verification in the browser, by the code of the SDK. The node that served this page is not asked. */

/** What a pasted text proves, as names and values. */
export interface Finding {
  readonly title: string
  readonly facts: readonly (readonly [name: string, value: string])[]
}

/** Which network's signatures count, and whose the thing must be; anybody's unless given. */
export interface Trust {
  readonly network: string
  readonly providerId?: string | undefined
}

/** Verifies a proof file, an answer with its proof, or a cell with its signature, whichever the text is. Throws `Error` with the reason. */
export async function verifyPasted(text: string, { network, providerId }: Trust): Promise<Finding> {
  const value = parseStrictJson(text)
  if (typeof value !== 'object' || value === null) throw new Error('found no JSON object')
  if ('type' in value && value.type === 'log_proof') {
    const leaf = verifyProof(text, { network, providerId })
    return {
      title: 'The proof holds',
      facts: [
        ['Log of', leaf.providerId],
        ['Origin', leaf.origin],
        ['Leaf', `${leaf.index} of ${leaf.size}`],
        ['Leaf hash', leaf.leafHash],
        ['Root', leaf.root],
        ['Says', new TextDecoder().decode(leaf.leaf)],
        ...(leaf.older === undefined ? [] : [['Extends', `${leaf.older.size} leaves, ${leaf.older.root}`] as const]),
        ['Cosigned by', leaf.witnesses.join(', ') || 'nobody'],
      ],
    }
  }
  if ('proof' in value && 'response_id' in value) {
    const answer = await verifyAnswer(text, { network, ...(providerId === undefined ? {} : { providerId }) })
    return { title: 'The answer holds', facts: factsOf(answer) }
  }
  if ('manifest' in value && 'cell_id' in value) {
    return { title: 'The signature holds', facts: [['Cell', verifyCell(value as CellDetails, network)]] }
  }
  if ('evidence' in value && 'certificate' in value) {
    const proof = value as unknown as RegistrationProof
    const leaf: unknown = parseStrictJson(fromBase64Url(proof.evidence.leaf))
    const id = typeof leaf === 'object' && leaf !== null && 'cell_id' in leaf ? String(leaf.cell_id) : ''
    const act = verifyRegistration(pureVerifier, network, proof, { id, providerId, now: Date.now() })
    return {
      title: 'The registration is in the log',
      facts: [
        ['Log of', proof.provider_id],
        ['Cell', `${act.cell_type} ${act.version}`],
        ['Registered at', act.at],
        ['Publisher', act.publisher],
      ],
    }
  }
  throw new Error('found JSON that is neither a proof file, nor an answer with a proof, nor a cell with its manifest')
}

/** Verifies that a publisher signed a cell, and that what is said of it is what was signed. Throws `Error` with the reason. */
export function verifyCell(cell: CellDetails, network: string): string {
  const { manifest, verdict } = verifySigned(network, 'it', cell, cell.manifest, signatureOf(cell))
  return `${manifest.cell_type} ${manifest.version} is signed with ${verdict.algorithms.join(' and ')} by ${verdict.kind} ${verdict.publisher}`
}

/** Details of a cell and answers to requests keep it in different places. */
const signatureOf = (cell: CellDetails & { signature?: string }): string =>
  cell.signature ?? cell.security?.signature ?? ''

/** Everything of a verified answer that is a word or a number. */
function factsOf(value: object): [string, string][] {
  return Object.entries(value)
    .filter(
      ([, inner]) =>
        ['string', 'number', 'boolean'].includes(typeof inner) ||
        (Array.isArray(inner) && inner.every((item) => typeof item === 'string')),
    )
    .map(([name, inner]) => [name, Array.isArray(inner) ? inner.join(', ') || 'none' : String(inner)])
}
