import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'

/** `$XDG_DATA_HOME/cytoplex`, else `~/.local/share/cytoplex`. A relative `XDG_DATA_HOME` is ignored, as its specification demands. */
export function defaultDataDir(env: NodeJS.ProcessEnv): string {
  const base = env.XDG_DATA_HOME
  return join(base && isAbsolute(base) ? base : join(home(env), '.local', 'share'), 'cytoplex')
}

/** The keys' folder beside a data directory. */
export function defaultKeyDir(dataDir: string): string {
  return `${dataDir}.keys`
}

/** Absolute path: `~` is the home folder, relative paths start at the working directory. */
export function absolutePath(path: string, env: NodeJS.ProcessEnv): string {
  if (path === '~') return home(env)
  return path.startsWith('~/') ? resolve(home(env), path.slice(2)) : resolve(path)
}

function home(env: NodeJS.ProcessEnv): string {
  return env.HOME || homedir()
}
