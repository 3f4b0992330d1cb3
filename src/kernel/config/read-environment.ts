import { StartError } from '../base/errors.ts'
import { CONFIG_KEYS, findKey } from './keys.ts'
import { nearest } from './nearest.ts'
import { readText, type Setting } from './setting.ts'

/** Names that are read elsewhere and are no keys: the administrator's key, the node that verbs talk to, the configuration file. */
export const SPECIAL_NAMES = ['CYTOPLEX_ADMIN_KEY', 'CYTOPLEX_URL', 'CYTOPLEX_CONFIG'] as const

/** Agent network, "Environment variables": suffixes after `IAN_` or `CYTOPLEX_`, and the keys that they set. */
const DOCUMENTED: Readonly<Record<string, readonly string[]>> = {
  LISTEN_HOST: ['http.host', 'p2p.host'],
  API_PORT: ['http.port'],
  P2P_PORT: ['p2p.port'],
  SEED_NODES: ['p2p.seeds'],
  WS_PORT: ['http.ws_port'],
  LOG_LEVEL: ['log.level'],
  TAU_HOST: ['anchors.tau_host'],
  TAU_PORT: ['anchors.tau_port'],
}

/**
 * Reads `CYTOPLEX_SECTION_KEY` for every key, and the documents' names with either prefix. From weak to strong: `IAN_LISTEN_HOST`,
 * `CYTOPLEX_LISTEN_HOST`, the documents' other names with `IAN_`, the same with `CYTOPLEX_`, a key's own name. Throws `StartError`
 * for a `CYTOPLEX_` name that means nothing. Later settings win over earlier ones.
 */
export function readEnvironment(env: NodeJS.ProcessEnv): Setting[] {
  const settings: Setting[] = []
  const add = (name: string, keys: readonly string[]): void => {
    const text = env[name]
    if (text === undefined) return
    for (const key of keys.map(findKey)) {
      if (key) settings.push({ key, origin: `environment ${name}`, value: readText(key.schema, text) })
    }
  }

  for (const [suffix, keys] of Object.entries(DOCUMENTED)) {
    for (const prefix of ['IAN_', 'CYTOPLEX_']) add(`${prefix}${suffix}`, keys)
  }
  for (const { environment, name } of CONFIG_KEYS) if (environment !== undefined) add(environment, [name])

  refuseUnknown(env)
  return settings
}

function refuseUnknown(env: NodeJS.ProcessEnv): void {
  const known = new Set<string>([
    ...CONFIG_KEYS.flatMap(({ environment }) => environment ?? []),
    ...Object.keys(DOCUMENTED).map((suffix) => `CYTOPLEX_${suffix}`),
    ...SPECIAL_NAMES,
  ])
  for (const name of Object.keys(env)) {
    if (!name.startsWith('CYTOPLEX_') || known.has(name)) continue
    const best = nearest(name, known)
    throw new StartError(
      `environment ${name}: no such key${best ? `; did you mean ${best}?` : '; names are CYTOPLEX_SECTION_KEY, as `cytoplex config show --help` explains'}`,
    )
  }
}
