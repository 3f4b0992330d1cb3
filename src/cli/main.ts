import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

// Compiled code of earlier runs halves the time to start. A folder that cannot be written is no failure.
const cacheHome = process.env.XDG_CACHE_HOME
enableCompileCache(join(cacheHome && isAbsolute(cacheHome) ? cacheHome : join(homedir(), '.cache'), 'cytoplex'))

// A reader that has seen enough (`cytoplex peers | head -1`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

// Imported here, so that the cache is on before anything else is compiled.
const { run } = await import('./program.ts')
process.exitCode = await run(process.argv.slice(2))
