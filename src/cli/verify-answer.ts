import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { ASSURANCE_LIMITS, type QueryResponse } from '../../protocol/assurance.ts'
import { PublicKeys } from '../../protocol/public-keys.ts'
import type { VerifiedAnswer } from '../client/index.ts'
import { errorMessage } from '../kernel/base/errors.ts'
import { sha256 } from '../kernel/base/hash.ts'
import { parseStrictJson } from '../kernel/base/strict-json.ts'
import { nativeVerifier, pooledVerifier } from '../kernel/identity/verify.ts'
import { askNode } from './ask-node.ts'
import { networkFlag } from './cell-keys.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { printJson, printLine, safe } from './output.ts'
import { readBounded } from './read-file.ts'

interface AnswerFlags {
  readonly network: string
  readonly provider?: string
  readonly request?: string
  readonly keys?: string
  readonly source: readonly string[]
  readonly json?: true
}

const MEANING = `
It proves that the node whose key signed has given this answer to this request, by these steps, and that nobody changed it since; that every sentence
is cited; with --source, that the sentences stand in that document; and where the node's log is in it, that the cited cells were registered there.
It does not prove that what the documents say is true, or that the answer is complete. Name the node with --keys or --provider: without them, it is
somebody's answer.`

/** `verify answer`: checks an answer with its proof. */
export function registerVerifyAnswer(verify: Command): void {
  networkFlag(
    verify
      .command('answer')
      .description('verify offline an answer that carries its proof, from one file')
      .argument(
        '<file>',
        'what `query --proof --json` printed, or the response of the node alone; - for standard input',
      )
      .option('--provider <id>', 'accept only an answer of this node')
      .option('--keys <file or url>', "the node's public-keys.json, or the URL of the node to ask for it")
      .option('--request <file>', 'the signed request that must have been answered')
      .option('--source <file>', 'a cited document: what is cited of it must stand there; may be repeated', gather, []),
  )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `${MEANING}\n\nExample:\n  $ cytoplex verify answer answer.json --keys https://node.example --source contract.txt`,
    )
    .action(verifyAnswerCommand)
}

const gather = (file: string, files: readonly string[]): string[] => [...files, file]

async function verifyAnswerCommand(path: string, flags: AnswerFlags): Promise<void> {
  const { verifyAnswer } = await import('../client/index.ts')
  const { response, request } = exchangeIn(await jsonFile(path))
  const verified = await verifyAnswer(response as QueryResponse, {
    network: flags.network,
    providerId: flags.provider,
    arithmetic: { verifier: nativeVerifier, records: pooledVerifier, sha256 },
    publicKeys: flags.keys === undefined ? undefined : await keysFrom(flags.keys),
    request: flags.request === undefined ? request : await jsonFile(flags.request),
    sources: flags.source.map(document),
  })
  if (flags.json) printJson(verifiedJson(verified))
  else printVerified(verified)
}

/** A response, and the request that it is to where the file has both. */
function exchangeIn(file: unknown): { response: unknown; request?: unknown } {
  if (typeof file !== 'object' || file === null || !('response' in file) || !('request' in file))
    return { response: file }
  return { response: file.response, request: file.request }
}

/** The keys of a file, or of a node. What is none is refused where they are used. */
async function keysFrom(source: string): Promise<PublicKeys> {
  if (!/^https?:\/\//.test(source)) return (await jsonFile(source)) as PublicKeys
  const { answer } = await askNode({ node: source }, '/.well-known/public-keys.json', PublicKeys)
  return answer
}

async function jsonFile(path: string): Promise<unknown> {
  const bytes = await readBounded(path, ASSURANCE_LIMITS.fileBytes)
  try {
    return parseStrictJson(bytes)
  } catch (error) {
    throw new CliError(`${path}: ${errorMessage(error)}`, EXIT.failure)
  }
}

/** Documents are read whole: their digest is over all of them. */
function document(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new CliError(`${path} cannot be read: ${errorMessage(error)}`, EXIT.failure)
  }
}

const verifiedJson = (verified: VerifiedAnswer): object => ({
  verified: true,
  provider_id: verified.providerId,
  kid: verified.kid,
  key_listed: verified.keyListed,
  request_id: verified.requestId,
  response_id: verified.responseId,
  operator_id: verified.operatorId,
  timestamp: verified.timestamp,
  request_matches: verified.requestMatches,
  status: verified.status,
  verification_status: verified.verificationStatus,
  steps: verified.steps,
  citations: verified.citations,
  compared: verified.compared,
  log:
    verified.log === undefined
      ? null
      : {
          tree_size: verified.log.size,
          log_root: verified.log.root,
          registered: verified.log.registered,
          missing: verified.log.missing,
          elsewhere: verified.log.elsewhere.map(({ cell, providerId }) => ({ cell_id: cell, provider_id: providerId })),
          witnesses: verified.log.witnesses,
          anchors: verified.log.anchors,
        },
})

function printVerified(verified: VerifiedAnswer): void {
  const { log } = verified
  printLine(`verified: answer ${verified.responseId} of ${safe(verified.providerId)}`)
  printLine(
    `  at        ${verified.timestamp}, ${verified.status}, ${verified.verificationStatus ?? 'without a result'}`,
  )
  printLine(`  key       ${verified.kid}${verified.keyListed ? '' : ' (not compared with a list of keys)'}`)
  printLine(
    `  request   ${verified.requestId} of ${safe(verified.operatorId)}${verified.requestMatches ? '' : ' (not compared)'}`,
  )
  printLine(`  steps     ${verified.steps.join(', ')}`)
  printLine(`  cites     ${verified.citations} sentences`)
  for (const digest of verified.compared) printLine(`  compared  ${digest}`)
  if (log === undefined) return
  printLine(`  log       ${log.size} leaves, root ${log.root}`)
  for (const cell of log.registered) printLine(`  holds     ${cell}`)
  for (const { cell, providerId } of log.elsewhere) printLine(`  elsewhere ${cell}, in the log of ${safe(providerId)}`)
  for (const cell of log.missing) printLine(`  lacks     ${cell}`)
  for (const witness of log.witnesses) printLine(`  cosigned  ${safe(witness)}`)
  for (const { anchor, size } of log.anchors) printLine(`  anchored  ${safe(anchor)}, ${size} leaves`)
}
