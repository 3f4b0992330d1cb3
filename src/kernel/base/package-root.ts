import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The folder that holds `config/default.yaml` and `package.json`: above the sources, or above `dist` in the published package. */
export function packageRoot(): string {
  let folder = import.meta.dirname
  while (!existsSync(join(folder, 'config', 'default.yaml'))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error('config/default.yaml is missing from this installation')
    folder = parent
  }
  return folder
}
