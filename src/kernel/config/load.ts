import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { errorMessage, hasCode, StartError } from '../base/errors.ts'
import { CONFIG_KEYS } from './keys.ts'
import { defaultYaml } from './package-files.ts'
import { absolutePath, defaultDataDir, defaultKeyDir } from './paths.ts'
import { readEnvironment } from './read-environment.ts'
import { type Flags, readFlags } from './read-flags.ts'
import { readYaml } from './read-yaml.ts'
import type { Config } from './schema.ts'
import { checkSetting, type Origin, type Setting } from './setting.ts'

/** Options of {@link loadConfig}. */
export interface LoadOptions {
  /** Configuration file. Default: `CYTOPLEX_CONFIG`, else none. */
  readonly file?: string | undefined
  readonly env: NodeJS.ProcessEnv
  readonly flags?: Flags
}

/** The effective configuration. */
export interface LoadedConfig {
  /** Frozen. */
  readonly config: Config
  /** Where each key's value came from, by dotted key. */
  readonly origins: ReadonlyMap<string, Origin>
  /** What the operator should know, but does not prevent the start. */
  readonly warnings: readonly string[]
}

/**
 * The configuration from its four sources, weak to strong: `config/default.yaml`, the file, the environment, flags. Every value of every
 * source is checked, also one that a stronger source replaces. Throws `StartError` for the first that is wrong.
 */
export function loadConfig({ file, env, flags = {} }: LoadOptions): LoadedConfig {
  const path = file ?? (env.CYTOPLEX_CONFIG || undefined)
  const settings: Setting[] = [
    ...readYaml(defaultYaml(), 'default'),
    ...(path === undefined ? [] : readYaml(readConfigFile(absolutePath(path, env)), `file ${path}`)),
    ...readEnvironment(env),
    ...readFlags(flags),
  ]

  const values = new Map<string, unknown>()
  const origins = new Map<string, Origin>()
  for (const setting of settings) {
    values.set(setting.key.name, checkSetting(setting))
    origins.set(setting.key.name, setting.origin)
  }
  const plugins = values.get('plugins') as readonly object[]
  if (path !== undefined && plugins.length > 0) checkWriters(absolutePath(path, env))
  return { config: typed(values, env, path), origins, warnings: warningsOf(values) }
}

function warningsOf(values: ReadonlyMap<string, unknown>): string[] {
  if (values.get('goals.serve_evaluations') !== true) return []
  return ["goals.serve_evaluations has no effect: every node evaluates for itself, and takes no other's word"]
}

function readConfigFile(path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw new StartError(`file ${path}: there is no such configuration file`)
    throw new StartError(`file ${path}: cannot be read: ${errorMessage(error)}`)
  }
}

/** Builds the typed configuration from checked values, and makes its paths absolute. */
function typed(values: ReadonlyMap<string, unknown>, env: NodeJS.ProcessEnv, file: string | undefined): Config {
  const tree: Record<string, unknown> = {}
  for (const { name } of CONFIG_KEYS) {
    if (!values.has(name)) throw new Error(`config/default.yaml lacks ${name}`)
    const [section, key] = name.split('.') as [string, string?]
    const value = values.get(name)
    if (key === undefined) tree[section] = value
    else tree[section] = { ...(tree[section] as object | undefined), [key]: value }
  }
  const dataDir = pathOf(tree.data_dir, env) ?? defaultDataDir(env)
  const { tls } = tree.http as { readonly tls: Config['http']['tls'] }
  if (tls !== null && 'cert' in tls) {
    const files = { cert: absolutePath(tls.cert, env), key: absolutePath(tls.key, env) }
    tree.http = { ...(tree.http as object), tls: files }
  }
  const { passphrase_file: passphrase } = tree.memory as Config['memory']
  if (passphrase !== null) {
    tree.memory = { ...(tree.memory as object), passphrase_file: absolutePath(passphrase, env) }
  }
  const paths = { data_dir: dataDir, key_dir: pathOf(tree.key_dir, env) ?? defaultKeyDir(dataDir) }
  const directory = file === undefined ? process.cwd() : dirname(absolutePath(file, env))
  const plugins = (tree.plugins as readonly object[]).map((plugin) => ({ ...plugin, directory }))
  // Every key was checked against its part of the schema.
  return deepFreeze({ ...tree, ...paths, plugins }) as unknown as Config
}

/** Whoever can write a file that names plugins decides which code runs. Throws `StartError` when that is more people than its owner. */
function checkWriters(path: string): void {
  const { mode, uid } = statSync(path)
  const self = process.getuid?.()
  if ((mode & 0o022) !== 0) {
    throw new StartError(`file ${path} names plugins, and others than its owner may write it: chmod go-w it`)
  }
  if (self !== undefined && uid !== self && uid !== 0) {
    throw new StartError(
      `file ${path} names plugins, and belongs to user ${uid}: it must belong to the node's user or to root`,
    )
  }
}

function pathOf(value: unknown, env: NodeJS.ProcessEnv): string | undefined {
  return typeof value === 'string' ? absolutePath(value, env) : undefined
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner)
  }
  return Object.freeze(value)
}
