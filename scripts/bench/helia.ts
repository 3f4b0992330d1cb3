import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { errorMessage } from '../../src/kernel/base/errors.ts'

/** What the baseline is made of. Helia brings some 860 packages with it, so it is no dependency of this one. */
const PACKAGES = {
  helia: '7.1.15',
  '@helia/bitswap': '4.0.19',
  '@helia/libp2p': '2.1.4',
  '@helia/unixfs': '8.0.5',
  '@libp2p/identify': '4.1.14',
  '@libp2p/tcp': '11.0.28',
  '@libp2p/tls': '3.1.10',
  '@libp2p/yamux': '8.0.3',
}
const INSTALL_MS = 600_000

const FOLDER = join(tmpdir(), `cytoplex-bench-helia-${PACKAGES.helia}`)

/** The folder in which Helia is installed; a string that says why there is none otherwise. */
export async function installedHelia(mayInstall: boolean): Promise<{ folder: string } | { missing: string }> {
  if (existsSync(FOLDER)) return { folder: FOLDER }
  if (!mayInstall) return { missing: 'Helia is not installed' }
  process.stderr.write(`installing helia ${PACKAGES.helia} into ${FOLDER} …\n`)
  const partial = `${FOLDER}.${process.pid}`
  try {
    await mkdir(partial, { recursive: true })
    await writeFile(join(partial, 'package.json'), JSON.stringify({ private: true, dependencies: PACKAGES }))
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock']
    await promisify(execFile)('npm', ['install', ...flags], { cwd: partial, timeout: INSTALL_MS })
    await rename(partial, FOLDER)
    return { folder: FOLDER }
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    return { missing: `Helia could not be installed from the npm registry: ${errorMessage(error).split('\n')[0]}` }
  }
}
