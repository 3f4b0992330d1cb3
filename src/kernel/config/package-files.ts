import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The folder that holds `config/default.yaml` and `package.json`: above the sources, or above `dist` in the published package. */
function packageRoot(): string {
  let folder = import.meta.dirname
  while (!existsSync(join(folder, 'config', 'default.yaml'))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error('config/default.yaml is missing from this installation')
    folder = parent
  }
  return folder
}

/** The text of `config/default.yaml`. */
export function defaultYaml(): string {
  return readFileSync(join(packageRoot(), 'config', 'default.yaml'), 'utf8')
}

/** The text of `protocol/openapi.json`. */
export function openApiText(): string {
  return readFileSync(join(packageRoot(), 'protocol', 'openapi.json'), 'utf8')
}

/** Where the build puts the dashboard. */
export const dashboardFolder = (): string => join(packageRoot(), 'dist', 'dashboard')

/** The version of this software, from `package.json`. */
export function softwareVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8'))
  const version =
    typeof manifest === 'object' && manifest !== null && 'version' in manifest ? manifest.version : undefined
  return typeof version === 'string' ? version : '0.0.0'
}
