import type { Command } from 'commander'
import { Check } from 'typebox/value'
import { ASSURANCE_LIMITS, Domain, type QueryResponse, VerificationMode } from '../../protocol/assurance.ts'
import { repeated } from './cell-options.ts'
import { clientFor, interruptible, type NodeFlags } from './cell-transfer.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { withExample } from './goal-options.ts'
import { openOperatorKey, operatorKeyFile } from './operator-key.ts'
import { paint, printJson, printLine, safe } from './output.ts'

interface QueryFlags extends NodeFlags {
  readonly domain: string
  readonly operator: string
  readonly key?: string
  readonly jurisdiction?: string
  readonly constraint?: readonly string[]
  readonly mode?: string
  readonly proof?: true
}

/** `cytoplex query`: asks a signed question. */
export function registerQuery(program: Command): void {
  withExample(
    program
      .command('query')
      .description('ask a question as an operator; the answer rests, sentence by sentence, on signed documents')
      .argument('<question>', `the question, at most ${ASSURANCE_LIMITS.query} characters`)
      .requiredOption('--domain <domain>', 'legal, finance, compliance, medical or general')
      .requiredOption('--operator <id>', 'who asks')
      .option('--key <file>', 'key of the operator (default: ~/.config/cytoplex/operator.json)')
      .option('--jurisdiction <code>', 'whose law it is about, such as EU or US-CA')
      .option('--constraint <id>', 'constraint that the answer has to keep; repeat for more', repeated)
      .option('--mode <mode>', 'standard, strict or audit')
      .option('--proof', 'ask for the proof; with --json it is printed'),
    '$ cytoplex query "When may a contract be terminated?" --domain legal --operator team@example.org --key team.json',
  ).action(query)
}

async function query(question: string, flags: QueryFlags): Promise<void> {
  const { domain, mode, jurisdiction, constraint, proof } = flags
  if (!Check(Domain, domain)) {
    const allowed = 'legal, finance, compliance, medical, general'
    throw new CliError(`--domain: found ${JSON.stringify(domain)}, allowed are ${allowed}`, EXIT.usage)
  }
  if (mode !== undefined && !Check(VerificationMode, mode)) {
    throw new CliError(`--mode: found ${JSON.stringify(mode)}, allowed are standard, strict, audit`, EXIT.usage)
  }
  const operator = openOperatorKey(operatorKeyFile(flags.key), flags.operator)
  const answer = await interruptible((signal) =>
    clientFor(flags).query({
      query: question,
      domain,
      mode,
      jurisdiction,
      constraints: constraint,
      proof,
      operator,
      signal,
    }),
  )
  const { response } = answer
  // Request and response together are what a proof is verified with.
  if (flags.json) printJson(answer)
  else show(response)
  if (response.status !== 'failed') return
  const [error] = response.errors
  throw new CliError(
    error === undefined ? 'the node refused to answer' : `${error.code}: ${error.message}`,
    EXIT.failure,
    error?.code,
  )
}

function show({ payload, errors, status }: QueryResponse): void {
  if (payload !== null && status !== 'failed') {
    if (payload.result !== '') printLine(`${safe(payload.result)}\n`)
    payload.citations.forEach(({ publisher, cell_type, version, start, end, digest }, i) => {
      printLine(
        `${paint('bold', `[${i + 1}]`)} ${safe(cell_type)}@${safe(version)} of ${safe(publisher)}, bytes ${start} to ${end}`,
      )
      printLine(`    ${safe(digest)}`)
    })
    if (payload.citations.length > 0) printLine()
    printLine(`${payload.verification_status}, confidence ${payload.confidence}`)
    if (payload.constraints_passed.length > 0) printLine(`kept    ${safe(payload.constraints_passed.join(', '))}`)
    if (payload.constraints_failed.length > 0) printLine(`broken  ${safe(payload.constraints_failed.join(', '))}`)
  }
  for (const { code, message, severity } of errors) printLine(`${severity} ${code}: ${safe(message)}`)
}
