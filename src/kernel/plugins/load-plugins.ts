import { readFile } from 'node:fs/promises'
import { findPackageJSON, registerHooks } from 'node:module'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { errorMessage, hasCode, StartError } from '../base/errors.ts'
import { unlessAborted } from '../base/racing.ts'
import { siblingOf } from '../base/siblings.ts'
import type { Logger } from '../telemetry/logger.ts'
import { RegistryError } from './errors.ts'
import type { ProviderRegistry } from './registry.ts'

/** A plugin of the configuration. */
export interface PluginSetting {
  /** Name of an npm package, or path of a package's folder: absolute, or starting with `./`, `../` or `~/`. */
  readonly name: string
  /** The version that it must have, exactly. */
  readonly version: string
  /** Whether the node starts without it when it does not load. */
  readonly optional?: boolean
  /** Folder that paths are relative to, and where npm packages are looked for first. */
  readonly directory: string
}

/** Milliseconds that a plugin may take to load. */
const LOAD_MS = 30_000
/** What plugins import of this program. Whichever copy of it lies beside a plugin, they get the one that runs. */
const OURS: Readonly<Record<string, string>> = {
  'cytoplex/plugins': siblingOf(import.meta.url, 'index').href,
  'cytoplex/protocol': siblingOf(import.meta.url, 'protocol').href,
}

/** Starts the specifier of a plugin's entry, followed by an {@link Entry}. */
const ENTRY = 'cytoplex-plugin:'

let hooked = false

/**
 * Imports the plugins, one after the other; what they register is found in `registry`, the one of this process. A plugin has the node's full
 * trust. Throws `StartError` for one that does not load or has another version, unless it is optional.
 */
export async function loadPlugins(
  plugins: readonly PluginSetting[],
  { registry, logger }: { registry: ProviderRegistry; logger: Logger },
): Promise<void> {
  if (plugins.length > 0) resolveOwnImports()
  for (const plugin of plugins) {
    try {
      const before = new Set(providersOf(registry))
      await load(plugin)
      const providers = providersOf(registry).filter((provider) => !before.has(provider))
      logger.info({ plugin: plugin.name, version: plugin.version, providers }, 'a plugin was loaded')
    } catch (error) {
      const message = `the plugin ${plugin.name}@${plugin.version} did not load: ${errorMessage(error)}`
      if (plugin.optional !== true) throw new StartError(message, { cause: error })
      logger.warn({ plugin: plugin.name, err: error }, message)
    }
  }
}

async function load({ name, version, directory }: PluginSetting): Promise<void> {
  const found = await locate(name, directory)
  if (found.version !== version) {
    throw new Error(`found version ${found.version ?? 'without a number'}, the configuration names ${version}`)
  }
  const importing: Promise<unknown> = import(ENTRY + encodeURIComponent(JSON.stringify(found.entry)))
  try {
    await unlessAborted(importing, AbortSignal.timeout(LOAD_MS))
  } catch (cause) {
    if (cause instanceof RegistryError) throw cause
    throw new RegistryError('ErrRegistrationFailed', errorMessage(cause), { cause })
  }
}

/** What is imported, as if from where. */
interface Entry {
  readonly specifier: string
  readonly parentURL: string
}

interface Located {
  readonly version: unknown
  readonly entry: Entry
}

async function locate(name: string, directory: string): Promise<Located> {
  if (!/^(\.{0,2}|~)\//.test(name)) return await locateInstalled(name, directory)
  const folder = name.startsWith('~/') ? join(homedir(), name.slice(2)) : resolve(directory, name)
  const path = join(folder, 'package.json')
  const manifest = await readManifest(path)
  const parentURL = pathToFileURL(path).href
  // A package with exports may import itself by its name, and then its exports decide what that is.
  if (manifest.exports !== undefined && typeof manifest.name === 'string') {
    return { version: manifest.version, entry: { specifier: manifest.name, parentURL } }
  }
  const main = typeof manifest.main === 'string' ? manifest.main : 'index.js'
  return { version: manifest.version, entry: { specifier: pathToFileURL(join(folder, main)).href, parentURL } }
}

/** Looks beside the configuration first, then beside this program. */
async function locateInstalled(name: string, directory: string): Promise<Located> {
  for (const parentURL of [pathToFileURL(join(directory, 'package.json')).href, import.meta.url]) {
    const path = packageJsonOf(name, parentURL)
    if (path === undefined) continue
    const { version } = await readManifest(path)
    return { version, entry: { specifier: name, parentURL } }
  }
  throw new Error(`no such package is installed for ${directory} or for this program`)
}

function packageJsonOf(name: string, parentURL: string): string | undefined {
  try {
    return findPackageJSON(name, parentURL)
  } catch (error) {
    if (hasCode(error, 'ERR_MODULE_NOT_FOUND')) return undefined
    throw error
  }
}

async function readManifest(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
  } catch (error) {
    throw new Error(`${path} cannot be read: ${errorMessage(error)}`, { cause: error })
  }
}

function resolveOwnImports(): void {
  if (hooked) return
  hooked = true
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier.startsWith(ENTRY)) {
        const entry = JSON.parse(decodeURIComponent(specifier.slice(ENTRY.length))) as Entry
        return next(entry.specifier, { ...context, parentURL: entry.parentURL })
      }
      return next(OURS[specifier] ?? specifier, context)
    },
  })
}

const providersOf = (registry: ProviderRegistry): string[] =>
  registry.packages.flatMap((name) => registry.listProviders(name).map((provider) => `${name}/${provider}`))
