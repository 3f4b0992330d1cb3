import type { Command } from 'commander'
import { LIMITS } from '../../protocol/limits.ts'
import type { ProvenLeaf } from '../client/index.ts'
import { toBase64Url } from '../kernel/base/bytes.ts'
import { parseStrictJson } from '../kernel/base/strict-json.ts'
import { networkFlag } from './cell-keys.ts'
import { printJson, printLine, safe } from './output.ts'
import { readBounded } from './read-file.ts'

interface VerifyFlags {
  readonly network: string
  readonly provider?: string
  readonly json?: true
}

const LIMITS_OF_PROOF = `
It proves that the provider has signed a log with this leaf at this place; with an older checkpoint, that the log only grew since then; and
who cosigned it. It does not prove that what the leaf says is true, that the log says nothing else elsewhere (witnesses do), or that the
provider is the one you mean: name it with --provider.`

/** `verify proof`: checks a proof file, offline. */
export function registerVerifyProof(verify: Command): void {
  networkFlag(
    verify
      .command('proof')
      .description('verify offline that a leaf is in the log of a node, from one file')
      .argument('<file>', 'proof file; - for standard input')
      .option('--provider <id>', 'accept only the log of this node'),
  )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `${LIMITS_OF_PROOF}\n\nExample:\n  $ cytoplex goal proof my-goal 17 --out proof.json\n  $ cytoplex verify proof proof.json`,
    )
    .action(verifyProofCommand)
}

async function verifyProofCommand(path: string, { network, provider, json }: VerifyFlags): Promise<void> {
  const { verifyProof } = await import('../client/index.ts')
  const proven = verifyProof(await readBounded(path, LIMITS.proofFileBytes), { network, providerId: provider })
  if (json) printJson(provenJson(proven))
  else printProven(proven)
}

/** What was proven, as JSON. */
export const provenJson = (proven: ProvenLeaf): object => ({
  verified: true,
  provider_id: proven.providerId,
  origin: proven.origin,
  epoch: proven.epoch,
  goal_id: proven.goalId ?? null,
  log_index: proven.index,
  tree_size: proven.size,
  log_root: proven.root,
  leaf_hash: proven.leafHash,
  leaf: toBase64Url(proven.leaf),
  older: proven.older === undefined ? null : { tree_size: proven.older.size, log_root: proven.older.root },
  witnesses: proven.witnesses,
})

/** What was proven, for people. */
export function printProven(proven: ProvenLeaf): void {
  printLine(`verified: leaf ${proven.index} of ${proven.size} in ${safe(proven.origin)}`)
  printLine(`  root      ${proven.root}`)
  printLine(`  says      ${safe(leafText(proven.leaf))}`)
  if (proven.older !== undefined) printLine(`  extends   the signed log of ${proven.older.size} leaves`)
  for (const witness of proven.witnesses) printLine(`  cosigned  ${safe(witness)}`)
}

/** Leaves that are JSON are shown as they are, others in base64url. */
function leafText(leaf: Uint8Array): string {
  try {
    return JSON.stringify(parseStrictJson(leaf))
  } catch {
    return toBase64Url(leaf)
  }
}
