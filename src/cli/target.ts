import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { Check } from 'typebox/value'
import { NodeFile } from '../../protocol/node-file.ts'
import { trustCertificate } from '../http/certificates.ts'
import { hasCode } from '../kernel/base/errors.ts'
import { readAdminKeyFile } from '../kernel/config/admin-key.ts'
import { absolutePath, defaultDataDir } from '../kernel/config/paths.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { quote, safe } from './output.ts'
import { ownCertificateFile } from './own-certificate.ts'

/** Flags that say which node a verb talks to, and with which key. */
export interface TargetOptions {
  /** `--node URL` */
  readonly node?: string | undefined
  /** `--api-key KEY` */
  readonly apiKey?: string | undefined
  /** `--data-dir DIR` of a node on this machine. */
  readonly dataDir?: string | undefined
}

/** A node to talk to. `url` has no slash at the end. */
export interface Target {
  readonly url: string
  readonly apiKey?: string
}

const FALLBACK_URL = 'http://127.0.0.1:8000'

/** Adds `--node`, `--api-key`, `--data-dir` and `--json` to a verb. */
export function targetOptions(command: Command): Command {
  return command
    .option('--node <url>', 'node to talk to (CYTOPLEX_URL; default: the one that runs on the data directory)')
    .option('--api-key <key>', "key to send (CYTOPLEX_ADMIN_KEY; default: the data directory's admin.key)")
    .option('--data-dir <dir>', 'data directory of a node on this machine')
    .option('--json', 'print JSON')
}

/** The flags that name the same node again, each with a space before it, for a shell. Keys are secrets: of one that was given only its place is shown. */
export function targetFlags({ node, apiKey, dataDir }: TargetOptions): string {
  const given = { '--node': node, '--api-key': apiKey && 'KEY', '--data-dir': dataDir }
  return Object.entries(given)
    .map(([flag, value]) => (value === undefined ? '' : safe(` ${flag} ${quote(value)}`)))
    .join('')
}

/**
 * Which node to talk to: `--node`, `CYTOPLEX_URL`, `node.json` of the data directory, else `http://127.0.0.1:8000`. The key: `--api-key`,
 * `CYTOPLEX_ADMIN_KEY`, else `admin.key` of the data directory – the latter only for the node of that directory, or when `--data-dir`
 * says so, so that no other node gets to see it.
 *
 * Throws `CliError`: 2 for a URL that is none, 5 when no node runs on the directory that `--data-dir` names.
 */
export function resolveTarget(options: TargetOptions, env: NodeJS.ProcessEnv = process.env): Target {
  const named = options.dataDir !== undefined
  const dataDir = absolutePath(options.dataDir || env.CYTOPLEX_DATA_DIR || defaultDataDir(env), env)
  const given = options.node || env.CYTOPLEX_URL || undefined
  const running = given === undefined || named ? readNodeFile(dataDir) : undefined
  if (given === undefined && named && !running) {
    throw new CliError(`no node runs on ${dataDir}: it has no node.json`, EXIT.unreachable, 'UNREACHABLE')
  }
  const url = checkUrl(given ?? running?.http_url ?? FALLBACK_URL)
  const trusted = named || running !== undefined
  if (trusted && url.startsWith('https:')) trustOwnCertificate(dataDir)
  const apiKey = options.apiKey || env.CYTOPLEX_ADMIN_KEY || (trusted ? readAdminKeyFile(dataDir) : undefined)
  return apiKey === undefined ? { url } : { url, apiKey }
}

/** A node that made its certificate itself is believed by who may read its data directory. */
function trustOwnCertificate(dataDir: string): void {
  const file = ownCertificateFile(dataDir)
  if (existsSync(file)) trustCertificate(readFileSync(file, 'utf8'))
}

/** Undefined when there is none. Throws `CliError` when it is not one. */
function readNodeFile(dataDir: string): NodeFile | undefined {
  const file = nodeFilePath(dataDir)
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (Check(NodeFile, value)) return value
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new CliError(`${file} is not what a node writes; is ${dataDir} a data directory?`, EXIT.failure)
}

/** Where a running node says how to reach it. */
export const nodeFilePath = (dataDir: string): string => join(dataDir, 'node.json')

function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url && (url.protocol === 'http:' || url.protocol === 'https:')) return text.replace(/\/+$/, '')
  throw new CliError(`--node: found ${JSON.stringify(text)}, allowed is a URL such as ${FALLBACK_URL}`, EXIT.usage)
}
