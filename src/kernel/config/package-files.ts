import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../base/package-root.ts'

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
