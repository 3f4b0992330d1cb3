import { execFile } from 'node:child_process'
import { mkdir, rename, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Packs the package as it is built, and answers the path of the tarball. */
export async function packedInto(folder: string): Promise<string> {
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
    cwd: ROOT,
  })
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }]
  return join(folder, filename)
}

/** What `npm install` would make of a tarball in a folder, with the dependencies of this checkout. */
export async function installInto(folder: string, tarball: string): Promise<void> {
  const modules = join(folder, 'node_modules')
  await mkdir(modules, { recursive: true })
  await run('tar', ['xzf', tarball, '-C', modules])
  await rename(join(modules, 'package'), join(modules, 'cytoplex'))
  await symlink(join(ROOT, 'node_modules'), join(modules, 'cytoplex', 'node_modules'))
}
