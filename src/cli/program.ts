import { Command, CommanderError } from 'commander'
import { errorMessage } from '../kernel/base/errors.ts'
import { softwareVersion } from '../kernel/config/package-files.ts'
import { registerApprovalCommands } from './approval.ts'
import { registerAudit } from './audit.ts'
import { registerBackup } from './backup.ts'
import { registerBundleCommands } from './bundle.ts'
import { registerCellCommands } from './cell.ts'
import { registerCompletion } from './completion.ts'
import { registerConfigCommands } from './config.ts'
import { registerConstraintCommands } from './constraint.ts'
import { registerDoctor } from './doctor.ts'
import { registerEvents } from './events.ts'
import { CliError, codeOf, EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts'
import { registerFederationCommands } from './federation.ts'
import { registerFollowCommands } from './follow.ts'
import { registerFsck } from './fsck.ts'
import { registerGc } from './gc.ts'
import { registerGoalCommands } from './goal.ts'
import { registerHelp } from './help.ts'
import { registerId } from './id.ts'
import { registerKeyCommands } from './key.ts'
import { registerKeysCommands } from './keys.ts'
import { registerLogs } from './logs.ts'
import { registerOperatorCommands } from './operator.ts'
import { printError } from './output.ts'
import { registerPeers } from './peers.ts'
import { registerPinCommands } from './pin.ts'
import { registerProviders } from './providers.ts'
import { registerQuery } from './query.ts'
import { registerRestore } from './restore.ts'
import { registerStart } from './start.ts'
import { registerStatus } from './status.ts'
import { registerTop } from './top.ts'
import { registerVerifyCommands } from './verify.ts'
import { registerVulnerabilityCommands } from './vulnerability.ts'
import { registerWebhookCommands } from './webhook.ts'

const EXIT_CODES = `
Exit codes:
  0  done
  1  failed
  2  wrong verb, flag or argument
  3  not found
  4  not authorised
  5  no node answered`

/** Runs one command line, without the program's name. Prints what went wrong; resolves with the exit code. */
export async function run(args: readonly string[]): Promise<ExitCode> {
  try {
    await createProgram().parseAsync(args, { from: 'user' })
    return EXIT.ok
  } catch (error) {
    if (error instanceof CommanderError) return endOfParsing(error, wantsJson(args))
    printError(advised(error), wantsJson(args))
    return exitCodeOf(error)
  }
}

/** The program with all its verbs. */
export function createProgram(): Command {
  const program = new Command('cytoplex')
    .description('A peer-to-peer federated provider node: stores signed cells and answers for the whole federation.')
    .version(softwareVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'explain a verb')
    .addHelpText('after', `${EXIT_CODES}\n\nExample:\n  $ cytoplex start --http-port 8000`)
  registerStart(program)
  registerStatus(program)
  registerPeers(program)
  registerDoctor(program)
  registerEvents(program)
  registerId(program)
  registerProviders(program)
  registerKeyCommands(program)
  registerKeysCommands(program)
  registerFederationCommands(program)
  registerCellCommands(program)
  registerGoalCommands(program)
  registerOperatorCommands(program)
  registerQuery(program)
  registerFollowCommands(program)
  registerPinCommands(program)
  registerVulnerabilityCommands(program)
  registerWebhookCommands(program)
  registerApprovalCommands(program)
  registerConstraintCommands(program)
  registerVerifyCommands(program)
  registerAudit(program)
  registerConfigCommands(program)
  registerTop(program)
  registerLogs(program)
  registerBackup(program)
  registerRestore(program)
  registerFsck(program)
  registerGc(program)
  registerBundleCommands(program)
  registerCompletion(program)
  registerHelp(program)
  withoutExit(program)
  return program
}

/** Parsing errors are thrown instead of printed, in the whole tree, so that they look like all others. */
function withoutExit(command: Command): void {
  command.exitOverride()
  command.configureOutput({ outputError: () => undefined })
  for (const verb of command.commands) withoutExit(verb)
}

/** A wrong key says where the right one is; and where nothing runs, how to start it. */
function advised(error: unknown): unknown {
  if (exitCodeOf(error) === EXIT.unreachable && errorMessage(error).includes('ECONNREFUSED')) {
    const start = 'start one with cytoplex start, or find out more with cytoplex doctor'
    return new CliError(`${errorMessage(error)}; ${start}`, EXIT.unreachable, codeOf(error))
  }
  if (exitCodeOf(error) !== EXIT.unauthorised || codeOf(error) !== 'PROV_016') return error
  const advice =
    "the administrator's key is in admin.key of the node's data directory: name that with --data-dir, or the key with --api-key"
  return new CliError(`${errorMessage(error)}; ${advice}`, EXIT.unauthorised, 'PROV_016')
}

/** Help and version are thrown too, after they were printed. */
function endOfParsing(error: CommanderError, json: boolean): ExitCode {
  if (error.exitCode === 0) return EXIT.ok
  // A verb without its sub-verb: the help was printed.
  if (error.code === 'commander.help') return EXIT.usage
  printError(new CliError(error.message.replace(/^error: /, ''), EXIT.usage), json)
  return EXIT.usage
}

function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end === -1 ? args : args.slice(0, end)).includes('--json')
}
